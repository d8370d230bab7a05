# syntax=docker/dockerfile:1
# Two images from one file: `--target api` (no torch: API, courier, command line) and `--target worker`.
# Versions are those of constraints.txt, as in the Makefile.
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS base
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN useradd --create-home --uid 10001 omni && mkdir -p /data && chown omni /data
WORKDIR /app
COPY constraints.txt pyproject.toml README.md LICENSE ./

FROM base AS api
COPY omni_jobs omni_jobs
COPY workers workers
COPY storage storage
RUN python -m pip install --constraint constraints.txt '.[server]'
USER omni
ENV OMNI_DATA_DIR=/data
VOLUME /data
EXPOSE 8000
CMD ["python", "-m", "omni_jobs.api"]

FROM base AS worker
# torch first: a bare requirement for it would fetch the newest build for another device. TORCH_INDEX names the index
# of the build that fits the device; without it, it is pip's own, which has the one for recent NVIDIA cards.
ARG TORCH_INDEX=
RUN python -m pip install --constraint constraints.txt ${TORCH_INDEX:+--index-url ${TORCH_INDEX}} torch
COPY omni_jobs omni_jobs
COPY workers workers
COPY storage storage
RUN python -m pip install --constraint constraints.txt '.[all]'
USER omni
ENV OMNI_DATA_DIR=/data OMP_NUM_THREADS=1 HF_HOME=/models
VOLUME /data
CMD ["python", "-m", "workers.app"]
