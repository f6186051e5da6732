// JSON between the server and its pages. Written by scripts.write_types from mnist_gan.studio.api.

declare namespace Api {
  /** Response of a request that failed. */
  interface Failure {
    error: string;
  }

  /** Gray levels of a square image, row by row, as base64. */
  interface Gray {
    side: number;
    pixels: string;
  }

  /** Digit that mnistnet recognizes, and the probability of each. */
  interface Recognition {
    digit: number;
    probabilities: number[];
  }

  /** Discriminator's output for one image, with a sentence about it. */
  interface Score {
    verdict: "REAL" | "FAKE";
    probability_real: number;
    logit: number;
    label: number | null;
    label_source: "given" | "requested" | "recognized" | "highest" | null;
    label_name: string | null;
    sentence: string;
  }

  /** State of a training at one moment. */
  interface Diagnosis {
    state: "too early" | "improving" | "healthy" | "plateau" | "collapsing" | "discriminator too strong" | "discriminator too weak" | "diverging";
    evidence: string[];
    remedy: string | null;
  }

  /** Diagnosis with the distance of held-out real digits. */
  interface MeasuredDiagnosis {
    state: "too early" | "improving" | "healthy" | "plateau" | "collapsing" | "discriminator too strong" | "discriminator too weak" | "diverging";
    evidence: string[];
    remedy: string | null;
    floor: number | null;
  }

  /** Change of the learning rates. */
  interface Intervention {
    cur_nimg: number;
    rollbacks: number;
    g_lr: number;
    d_lr: number;
  }

  /** State and progress of a run; the optional parts are those that its training has published. */
  interface RunStatus {
    state: "starting" | "training" | "paused" | "stopping" | "finished" | "stopped" | "failed" | "damaged";
    active: boolean;
    resumable: boolean;
    message: string | null;
    cur_nimg: number;
    total_nimg: number;
    activity?: string | null;
    step?: number;
    epoch?: number;
    speed_limit?: number | null;
    g_lr?: number;
    d_lr?: number;
    factor?: number;
    floor?: number | null;
    rollbacks?: number;
    time?: number;
    stats?: Record<string, number>;
    img_per_sec?: number | null;
  }

  /** Layout of a sample grid, in pixels. */
  interface Grid {
    columns: number;
    rows: number;
    cell: number;
    border: number;
    width: number;
    height: number;
  }

  /** Histograms of the logits of real and generated images, with the boundary between the verdicts. */
  interface Scores {
    edges: number[];
    real: number[];
    generated: number[];
    boundary: number | null;
  }

  /** Counts and diversity of the generated digits. */
  interface Digits {
    n: number;
    counts: number[];
    real_shares: number[];
    diversity: (number | null)[];
    mean_diversity: number | null;
  }

  /** Newest sample grid of a training, and figures of the same moment. */
  interface Preview {
    version: number;
    cur_nimg: number;
    step: number;
    epoch: number;
    time: number;
    grid: Grid;
    scores: Scores | null;
    digits: Digits | null;
  }

  /** Run as a row of the table. */
  interface RunRow {
    run: string;
    state: "starting" | "training" | "paused" | "stopping" | "finished" | "stopped" | "failed" | "damaged";
    active: boolean;
    preset: string;
    data: string;
    conditional: boolean;
    cur_nimg: number;
    total_nimg: number;
    updated: string;
    has_model: boolean;
    has_report: boolean;
    resumable: boolean;
    problem: string | null;
    distance: number | null;
    best_distance: number | null;
    floor: number | null;
    diagnosis: Diagnosis | null;
    note: string;
    last_sample: number | null;
  }

  /** Note about a run. */
  interface NoteBody {
    note: string;
  }

  /** All runs, those that are starting first. */
  interface RunList {
    runs: RunRow[];
  }

  /** Command that does the same outside the studio. */
  interface CommandLine {
    command: string;
    purpose: string;
  }

  /** One run with its settings, its progress, and what its training has published. */
  interface RunDetails {
    run: string;
    state: "starting" | "training" | "paused" | "stopping" | "finished" | "stopped" | "failed" | "damaged";
    active: boolean;
    preset: string;
    data: string;
    conditional: boolean;
    cur_nimg: number;
    total_nimg: number;
    updated: string;
    has_model: boolean;
    has_report: boolean;
    resumable: boolean;
    problem: string | null;
    distance: number | null;
    best_distance: number | null;
    floor: number | null;
    diagnosis: Diagnosis | null;
    note: string;
    last_sample: number | null;
    settings: Record<string, string | number | boolean | null | (string | number | boolean | null)[]>;
    samples: number[];
    interventions: Intervention[];
    live: Preview | null;
    commands: CommandLine[];
    status: RunStatus;
  }

  /** Rows of metrics, and the distance of held-out real digits. */
  interface Rows {
    rows: Record<string, number>[];
    floor: number | null;
  }

  /** Epoch with a sample grid. */
  interface Epoch {
    epoch: number;
  }

  /** Epochs with a sample grid, and its layout. */
  interface Samples {
    samples: Epoch[];
    columns: number;
    rows: number;
  }

  /** Figure of two runs. */
  interface FigureRow {
    name: string;
    title: string;
    explanation: string;
    a: number | null;
    b: number | null;
    better: "a" | "b" | null;
  }

  /** Setting that differs between two runs. */
  interface SettingRow {
    name: string;
    a: string | number | boolean | null | (string | number | boolean | null)[];
    b: string | number | boolean | null | (string | number | boolean | null)[];
  }

  /** Drawings of a run after some images, and its scores if they were kept. */
  interface Moment {
    cur_nimg: number;
    picture: string;
    scores: Scores | null;
  }

  /** Moments of a run, in order. */
  interface Moments {
    moments: Moment[];
  }

  /** Two runs side by side; `difference` names the settings of the training that differ. */
  interface Comparison {
    runs: RunRow[];
    difference: string;
    figures: FigureRow[];
    settings: SettingRow[];
    rows: Record<string, number>[][];
  }

  /** Newest trial step of one network; the training is at this step, and goes on from there. */
  interface Trial {
    version: number;
    cur_nimg: number;
    step: number;
    player: "D" | "G";
    before: Scores | null;
    after: Scores | null;
  }

  /** Training has returned to a checkpoint. */
  interface ResetEvent {
    cur_nimg: number;
  }

  /** Several new rows of metrics. */
  interface RowsEvent {
    rows: Record<string, number>[];
  }

  /** Training has ended. */
  interface EndEvent {
    state: "starting" | "training" | "paused" | "stopping" | "finished" | "stopped" | "failed" | "damaged";
  }

  /** Events of a run by name. */
  interface RunEvents {
    state: RunStatus;
    row: Record<string, number>;
    rows: RowsEvent;
    reset: ResetEvent;
    live: Preview;
    trial: Trial;
    diagnosis: MeasuredDiagnosis;
    intervention: Intervention;
    end: EndEvent;
  }

  /** Server: version, folder and current training. */
  interface StudioInfo {
    version: string;
    runs_dir: string;
    run: string | null;
    training: string | null;
    trainings_at_once: number;
  }

  /** Title and explanation of a figure. */
  interface FigureText {
    title: string;
    explanation: string;
  }

  /** Setting that the page may change. */
  interface FormField {
    name: string;
    title: string;
    kind: "choice" | "number" | "integer" | "switch";
    choices: string[];
    unit: string | null;
    explanation: string;
    advanced: boolean;
  }

  /** Recipe with changes that cures a failure. */
  interface Cure {
    preset: string;
    changes: Record<string, string | number | boolean | null>;
  }

  /** Lesson of a recipe that fails. */
  interface Lesson {
    look_at: string;
    cure: string;
    start: Cure;
  }

  /** Recipe with the values of its fields. */
  interface Recipe {
    name: string;
    title: string;
    summary: string;
    minutes: number | null;
    values: Record<string, string | number | boolean | null>;
    lesson: Lesson | null;
  }

  /** Recipes, and the settings that the page may change. */
  interface Recipes {
    default: string;
    presets: Recipe[];
    fields: FormField[];
  }

  /** Training to start. */
  interface TrainBody {
    preset: string;
    changes?: Record<string, string | number | boolean | null>;
    name?: string | null;
  }

  /** Run that was started. */
  interface Started {
    run: string;
  }

  /** Recipe or run, with changes; a run without changes is not trained again. */
  interface PairSide {
    preset?: string;
    run?: string;
    changes?: Record<string, string | number | boolean | null>;
  }

  /** Two runs to compare, of which at least one is new. */
  interface PairBody {
    first: PairSide;
    second: PairSide;
  }

  /** Ids of both runs, and what differs. */
  interface Pair {
    a: string;
    b: string;
    difference: string;
  }

  /** Command to a training, with its values. */
  interface CommandBody {
    command: "pause" | "resume" | "stop" | "step" | "trial" | "speed" | "learning_rates";
    player?: "D" | "G";
    steps?: number;
    steps_per_second?: number | null;
    g_lr?: number;
    d_lr?: number;
  }

  /** Command that was sent to the training. */
  interface Accepted {
    accepted: true;
  }

  /** Model in the list. */
  interface ModelRow {
    id: string;
    name: string;
    kind: "shipped" | "run";
    ready: boolean;
  }

  /** All models, the shipped one first. */
  interface ModelList {
    models: ModelRow[];
  }

  /** Generator at a stage of its training. */
  interface Snapshot {
    at: number;
    epoch: number;
    title: string;
  }

  /** Model and the snapshots of its training. */
  interface Model {
    id: string;
    name: string;
    conditional: boolean;
    num_classes: number;
    classes: number[];
    class_names: string[];
    digits: boolean;
    channels: number;
    resolution: number;
    z_dim: number;
    snapshots: Snapshot[];
  }

  /** Slider of a model. */
  interface Direction {
    index: number;
    name: string;
    share: number;
    range: [number, number];
    step: number;
    explanation: string;
  }

  /** Sliders of a model, and how they were found. */
  interface Directions {
    directions: Direction[];
    method: string;
    share_total: number;
  }

  /** Judgement of the image of a view; `recognition` only for models of digits. */
  interface ViewScore {
    recognition: Recognition | null;
    score: Score;
  }

  /** Encoded z of a view, its length, and the average length. */
  interface Latent {
    z: string;
    norm: number;
    typical_norm: number;
  }

  /** Maps of a layer: signed bytes, row by row and map after map, as base64; 127 stands for `limit`. */
  interface Maps {
    height: number;
    width: number;
    channels: number[];
    values: string;
    limit: number;
  }

  /** Layer of a network during the drawing of one picture; `maps` is the list of numbers where it has no maps. */
  interface InsideLayer {
    name: string;
    title: string;
    shape: string;
    text: string;
    has_maps: boolean;
    has_units: boolean;
    count: number;
    maps: Maps;
  }

  /** Layers of a network in the order in which they compute. */
  interface InsideNetwork {
    layers: InsideLayer[];
  }

  /** Both networks at work on one picture. */
  interface Inside {
    image: Gray;
    generator: InsideNetwork;
    discriminator: InsideNetwork;
    logit: number;
    score: Score;
  }

  /** Image with a strong response of a channel, and the rectangle that it is strongest for. */
  interface StrongImage {
    side: number;
    pixels: string;
    value: number;
    class_name: string | null;
    box: [number, number, number, number] | null;
  }

  /** Mean response of a channel to the images of a class. */
  interface ClassResponse {
    class_name: string;
    mean: number;
  }

  /** Output with a channel set to 0: a picture of the generator, or the logit. */
  interface Without {
    image: Gray | null;
    logit: number | null;
  }

  /** The map of a channel for the picture, and the images that it responds to. */
  interface InsideChannel {
    channel: number;
    maps: Maps;
    low: number;
    high: number;
    images: string;
    classes: ClassResponse[];
    strongest: StrongImage[];
    without: Without;
    sentence: string;
  }

  /** Input channel of a unit: its patch, its part of the kernel, and the sum of their products. */
  interface UnitInput {
    name: string;
    patch: number[][];
    kernel: number[][];
    products: number[][];
    sum: number;
  }

  /** Number after one more layer. */
  interface UnitStep {
    title: string;
    value: number;
  }

  /** Sum behind one number of a layer: its strongest inputs, the others together, the bias, and what follows. */
  interface InsideUnit {
    channel: number;
    y: number;
    x: number;
    top: number;
    left: number;
    inputs: UnitInput[];
    others: number;
    others_sum: number;
    bias: number;
    value: number;
    steps: UnitStep[];
    formula: string;
    numbers: string;
    call: string;
    function: string;
    source: string;
  }

  /** Strokes of a pen in canvas units: x to the right, y down. */
  interface DrawingBody {
    strokes: [number, number][][];
    width?: number | null;
    canvas: number;
  }

  /** Drawing for a model, judged with a label or with the one that is recognized. */
  interface JudgeBody {
    strokes: [number, number][][];
    width?: number | null;
    canvas: number;
    model?: string;
    label?: number | null;
  }

  /** Drawing to search for among the latents. */
  interface SearchBody {
    strokes: [number, number][][];
    width?: number | null;
    canvas: number;
    model?: string;
    label?: number | null;
    seed?: number;
    steps?: number;
    starts?: number;
  }

  /** Drawing in the format of the data set, and the steps that led to it. */
  interface Fitted {
    image: Gray;
    steps: string[];
  }

  /** Contribution of each pixel to the logit. */
  interface Attribution {
    values: number[];
    max_abs: number;
    logit: number;
    baseline_logit: number;
    completeness_error: number;
  }

  /** Training image and its distance from the drawing. */
  interface Neighbour {
    side: number;
    pixels: string;
    index: number;
    name: string;
    distance: number;
  }

  /** Most similar training images, and a sentence about them. */
  interface Nearest {
    images: Neighbour[];
    message: string;
  }

  /** Drawing as both networks and the nearest training images see it. */
  interface Judgement {
    image: Gray;
    steps: string[];
    recognition: Recognition;
    score: Score;
    attribution: Attribution;
    nearest: Nearest;
  }

  /** Search that was started, and the address of its events. */
  interface SearchStarted {
    job: string;
    events: string;
  }

  /** Best image of a search so far. */
  interface Progress {
    step: number;
    steps: number;
    error: number;
    image: Gray;
    z: string;
    label: number | null;
  }

  /** Result of a search; `explore` is the query of its address on the Explore page. */
  interface Found {
    step: number;
    steps: number;
    error: number;
    image: Gray;
    z: string;
    label: number | null;
    probability_real: number;
    explore: string;
  }

  /** Search with its newest progress, or its result. */
  interface Search {
    job: string;
    state: "waiting" | "running" | "done" | "failed" | "cancelled";
    last: Found | Progress | null;
    error: string | null;
  }

  /** Search that was cancelled. */
  interface SearchEnded {
    state: "waiting" | "running" | "done" | "failed" | "cancelled";
  }

  /** Empty object. */
  interface NoContent {
  }

  /** Events of a search by name. */
  interface SearchEvents {
    progress: Progress;
    done: Found;
    failed: Failure;
    cancelled: NoContent;
  }

  /** Setting of a game. */
  interface PlaneField {
    name: string;
    title: string;
    kind: "choice" | "number" | "integer" | "switch";
    choices: string[];
    unit: string | null;
    explanation: string;
    advanced: boolean;
    live: boolean;
  }

  /** Data set of a game, with the values of its preset. */
  interface PlaneData {
    name: string;
    title: string;
    width: number;
    values: Record<string, string | number | boolean | null>;
  }

  /** Data sets, settings and widths of games. */
  interface PlaneInfo {
    data: PlaneData[];
    sketch: string;
    widths: number[];
    limits: number[];
    fields: PlaneField[];
  }

  /** Body of a request for a new game. */
  interface GameBody {
    data: string;
    changes?: Record<string, string | number | boolean | null>;
    width?: number;
    limit?: number;
    strokes?: [number, number][][];
  }

  /** A new game: its id, and some of its real points in the range of the networks. */
  interface Begun {
    id: string;
    real: [number, number][];
    centre: number[];
    scale: number;
    preset: string;
  }

  /** Body of a request for moves and a picture. */
  interface MovesBody {
    kind?: "step" | "D" | "G";
    moves?: number;
    view?: Record<string, boolean>;
  }

  /** Body of a request for other settings in the middle of a game. */
  interface ChangesBody {
    changes: Record<string, string | number | boolean | null>;
  }

  /** Moves of one kind in a row, or a change of settings. */
  interface RecordedMove {
    kind: "step" | "D" | "G" | "change";
    count: number;
    changes: Record<string, string | number | boolean | null>;
  }

  /** Record of a game. */
  interface GameRecord {
    record: RecordedMove[];
  }

  /** A game that is closed, if it was open. */
  interface GameEnded {
    ended: boolean;
  }

  /** Question with one right answer. */
  interface LessonQuestion {
    text: string;
    choices: string[];
    right: number;
    why: string;
  }

  /** Settings of the game of an experiment. */
  interface LessonSetup {
    data: string;
    changes: Record<string, string | number | boolean | null>;
    limit?: number;
  }

  /** Moves of one kind. */
  interface LessonMoves {
    kind: "step" | "D" | "G";
    moves: number;
  }

  /** Experiment on the plane. */
  interface LessonGame {
    title: string;
    setup: LessonSetup;
    moves: LessonMoves[];
    figures: string[];
    address: string;
  }

  /** Experiment with a row of digits. */
  interface LessonPicture {
    title: string;
    picture: string;
  }

  /** Guided lesson. */
  interface GuidedLesson {
    name: string;
    title: string;
    idea: string;
    prediction: LessonQuestion;
    experiments: (LessonGame | LessonPicture)[];
    reveal: string;
    check: LessonQuestion;
    takeaway: string;
    section: string;
    section_address: string;
    function: string;
    source: string;
    digits: string | null;
  }

  /** The lessons, in their order. */
  interface GuidedLessons {
    lessons: GuidedLesson[];
  }

  /** Address of the files of this release, with a final slash; None without a release. */
  interface TheoryInfo {
    files: string | null;
  }

  /** Source of an object of the package. */
  interface SourceText {
    source: string;
  }

  /** A GET request of JSON. */
  interface Get {
    (address: `/api/runs/${string}/rows` | `/api/runs/${string}/rows?${string}`, options?: Options): Promise<Rows>;
    (address: `/api/runs/${string}/samples` | `/api/runs/${string}/samples?${string}`, options?: Options): Promise<Samples>;
    (address: `/api/runs/${string}/moments` | `/api/runs/${string}/moments?${string}`, options?: Options): Promise<Moments>;
    (address: `/api/models/${string}/directions` | `/api/models/${string}/directions?${string}`, options?: Options): Promise<Directions>;
    (address: `/api/explore/score` | `/api/explore/score?${string}`, options?: Options): Promise<ViewScore>;
    (address: `/api/explore/z` | `/api/explore/z?${string}`, options?: Options): Promise<Latent>;
    (address: `/api/inside/channel` | `/api/inside/channel?${string}`, options?: Options): Promise<InsideChannel>;
    (address: `/api/inside/unit` | `/api/inside/unit?${string}`, options?: Options): Promise<InsideUnit>;
    (address: `/api/runs/${string}` | `/api/runs/${string}?${string}`, options?: Options): Promise<RunDetails>;
    (address: `/api/models/${string}` | `/api/models/${string}?${string}`, options?: Options): Promise<Model>;
    (address: `/api/plane/${string}` | `/api/plane/${string}?${string}`, options?: Options): Promise<GameRecord>;
    (address: `/api/theory/${string}` | `/api/theory/${string}?${string}`, options?: Options): Promise<SourceText>;
    (address: `/api/jobs/${string}` | `/api/jobs/${string}?${string}`, options?: Options): Promise<Search>;
    (address: `/api/studio` | `/api/studio?${string}`, options?: Options): Promise<StudioInfo>;
    (address: `/api/figures` | `/api/figures?${string}`, options?: Options): Promise<Record<string, FigureText>>;
    (address: `/api/presets` | `/api/presets?${string}`, options?: Options): Promise<Recipes>;
    (address: `/api/runs` | `/api/runs?${string}`, options?: Options): Promise<RunList>;
    (address: `/api/compare` | `/api/compare?${string}`, options?: Options): Promise<Comparison>;
    (address: `/api/models` | `/api/models?${string}`, options?: Options): Promise<ModelList>;
    (address: `/api/inside` | `/api/inside?${string}`, options?: Options): Promise<Inside>;
    (address: `/api/plane` | `/api/plane?${string}`, options?: Options): Promise<PlaneInfo>;
    (address: `/api/lessons` | `/api/lessons?${string}`, options?: Options): Promise<GuidedLessons>;
    (address: `/api/theory` | `/api/theory?${string}`, options?: Options): Promise<TheoryInfo>;
  }

  /** A POST request of JSON. */
  interface Post {
    (address: `/api/runs/${string}/note`, body: NoteBody, options?: Options): Promise<NoteBody>;
    (address: `/api/runs/${string}/command`, body: CommandBody, options?: Options): Promise<Accepted>;
    (address: `/api/plane/${string}/changes`, body: ChangesBody, options?: Options): Promise<GameRecord>;
    (address: `/api/draw/fit`, body: DrawingBody, options?: Options): Promise<Fitted>;
    (address: `/api/draw/judge`, body: JudgeBody, options?: Options): Promise<Judgement>;
    (address: `/api/draw/invert`, body: SearchBody, options?: Options): Promise<SearchStarted>;
    (address: `/api/train`, body: TrainBody, options?: Options): Promise<Started>;
    (address: `/api/pair`, body: PairBody, options?: Options): Promise<Pair>;
    (address: `/api/plane`, body: GameBody, options?: Options): Promise<Begun>;
  }

  /** A DELETE request of JSON. */
  interface Delete {
    (address: `/api/plane/${string}`, options?: Options): Promise<GameEnded>;
    (address: `/api/jobs/${string}`, options?: Options): Promise<SearchEnded>;
  }

  /** Listen to an event stream; returns a function that closes it. */
  interface Listen {
    (address: `/api/runs/${string}/events`, handlers: Handlers<RunEvents>, options?: StreamOptions): () => void;
    (address: `/api/jobs/${string}/events`, handlers: Handlers<SearchEvents>, options?: StreamOptions): () => void;
  }
}
