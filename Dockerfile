# CPU image of mnist-gan. Runs as a user without a name, on a read-only root file system, without HOME:
#
#   docker build -t mnist-gan .     # --build-arg TORCH_INDEX=ADDRESS: an index of CPU builds of PyTorch
#   docker run --rm --read-only --tmpfs /tmp -v "$PWD:/data" --user "$(id -u)" mnist-gan train quick
#   docker run --rm --read-only --tmpfs /tmp -v "$PWD:/data" --user "$(id -u)" -p 127.0.0.1:8765:8765 \
#       mnist-gan studio --no-browser --allow-remote
FROM python:3.13-slim AS build
ARG TORCH_INDEX=""
COPY . /source
RUN python -m venv /opt/mnist-gan \
    && /opt/mnist-gan/bin/pip install --no-cache-dir ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} "/source[digits]"

FROM python:3.13-slim
COPY --from=build /opt/mnist-gan /opt/mnist-gan
# MNIST and fonts are cached in the user's folder, since nothing else that is writable outlives the container
ENV PATH=/opt/mnist-gan/bin:$PATH \
    XDG_CACHE_HOME=/data/.cache \
    MPLCONFIGDIR=/data/.cache/matplotlib \
    PYTHONDONTWRITEBYTECODE=1
USER 10001
WORKDIR /data
ENTRYPOINT ["mnist-gan"]
CMD ["--help"]
