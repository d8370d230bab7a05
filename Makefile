# `make help` lists the targets. Everything lives in .venv and .omni; nothing is installed outside this folder.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The engine runs one forward at a time; more threads than cores only fight.
export OMP_NUM_THREADS ?= 1

.PHONY: help install demo try test check conformance chaos chaos-report overload bench eval-demo-model test-vllm test-browser test-node docs lock clean

help:  ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

install: $(VENV)/.installed  ## Make the environment

# torch first: a bare requirement for it would fetch the newest build for another device.
$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[all,test]'
	touch $@

demo: install  ## The whole service at work, checked and measured; ARGS=--keep leaves it up, ARGS=--s3 stores on S3
	$(BIN)/omni-jobs demo $(ARGS)

try: install  ## One picture and no server: make try PROMPT="a red circle on white"
	$(BIN)/omni-jobs try "$(or $(PROMPT),a red circle on white)" $(ARGS)

# Files in their order: sorted by the number of their tests, the few long ones would come last, on one core.
test: install  ## The tests, at most ten minutes on two cores
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --ignore tests/test_architecture.py \
		-m 'not slow and not gpu and not chaos and not browser and not vllm and not node'

.PHONY: test-gpu
test-gpu: install  ## What only a CUDA device can do; without one each test says what it needs and is skipped
	$(BIN)/python -m pytest -m gpu tests/gpu

check: install  ## Lint, format, types, architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_architecture.py

chaos: install  ## Kill, freeze and cut everything at random, then check every promise: SEED=7 MINUTES=5 RATE=20 PAUSE=0.6
	$(BIN)/python -m tests.chaos.run $(if $(SEED),--seed $(SEED)) --minutes $(or $(MINUTES),5) --rate $(or $(RATE),20) \
		--pause $(or $(PAUSE),0.6) --batch $(or $(BATCH),1) --storage $(or $(STORAGE),s3) $(ARGS)

overload: install  ## Ten times what the pool can do, then look what is left: MINUTES=5
	$(BIN)/python -m tests.chaos.overload --minutes $(or $(MINUTES),5) $(ARGS)

chaos-report: install  ## What the recorded runs of the chaos suite came to
	$(BIN)/python -m tests.chaos.report

VLLM := .venv-vllm
VLLM_OMNI := .venv-vllm-omni

test-vllm: $(VLLM)/.installed $(VLLM_OMNI)/.installed  ## The tests on a real vLLM and vLLM-Omni, each in its own environment
	$(VLLM)/bin/python -m pytest -m vllm tests/vllm
	$(VLLM_OMNI)/bin/python -m pytest -m vllm tests/vllm_omni

# vLLM's wheel for CPUs brings CUDA builds of four packages, which do not import beside its torch and are not needed;
# vLLM-Omni needs one of them, of which it uses what is written in Python.
$(VLLM)/.installed: pyproject.toml tests/vllm/requirements.txt
	test -x $(VLLM)/bin/python || $(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/python -m pip install --quiet --upgrade pip
	$(VLLM)/bin/python -m pip install --quiet torch==2.13.0
	$(VLLM)/bin/python -m pip install --quiet --requirement tests/vllm/requirements.txt --editable '.[worker]'
	$(VLLM)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec triton
	touch $@

$(VLLM_OMNI)/.installed: pyproject.toml tests/vllm_omni/requirements.txt
	test -x $(VLLM_OMNI)/bin/python || $(PYTHON) -m venv $(VLLM_OMNI)
	$(VLLM_OMNI)/bin/python -m pip install --quiet --upgrade pip
	$(VLLM_OMNI)/bin/python -m pip install --quiet torch==2.13.0
	$(VLLM_OMNI)/bin/python -m pip install --quiet --requirement tests/vllm_omni/requirements.txt --editable '.[worker]'
	$(VLLM_OMNI)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec triton
	$(VLLM_OMNI)/bin/python -m pip install --quiet --no-deps torchvision==0.28.0
	touch $@

test-browser: install  ## The dashboard in a real Chromium, which is installed where we may
	@command -v chromium chromium-browser google-chrome >/dev/null || { \
		test "$$(id -u)" = 0 && command -v apt-get >/dev/null && apt-get update -qq \
			&& DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; } || \
		{ echo "There is no Chromium. Install it, for instance with: sudo apt-get install chromium" >&2; exit 1; }
	$(BIN)/python -m pytest -m browser tests/dashboard

test-node: install  ## The Node packages of OpenAI, Replicate and fal, which npm installs for the test
	$(BIN)/python -m pytest -m node tests/faces

conformance: install  ## Every pipeline of the zoo, alone against together; writes docs/conformance.md
	$(BIN)/python -m benchmarks.conformance --write docs/conformance.md

eval-demo-model: install  ## Judge the demo model on prompts that training never saw
	$(BIN)/python -m workers.shapes.evaluate

docs: install  ## Write the generated parts of the documentation
	$(BIN)/python -m tests.docs.pages
	$(BIN)/python -m omni_jobs.cli.reference > docs/cli.md

lock: install  ## Write the exact versions of this environment to constraints.txt
	$(BIN)/python -m pip freeze --exclude-editable | grep -v '^omni-jobs' | sed -E 's/(torch==[0-9.]+)\+cpu/\1/' > constraints.txt

clean:  ## Remove the environment and all data
	rm -rf $(VENV) $(VLLM) $(VLLM_OMNI) .omni build dist *.egg-info
