// Types of the vendored uPlot, from the npm package of the same version.
export { default } from "uplot";
