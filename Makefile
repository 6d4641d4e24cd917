# A newcomer needs two: `make demo` and `make test`. Whatever they need is installed into .venv first.
SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTHON      ?= python3
VENV        ?= .venv
KATEX       := $(VENV)/node_modules/katex/dist
RUNTIME     := onnxruntime-web-1.30.0
INSTALLED   := $(VENV)/installed
export PATH := $(abspath $(VENV))/bin:$(PATH)
.PHONY: help install demo test test-all torture oldest docs clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 18

install: $(INSTALLED) ## the virtual environment, when it is missing or settings.ini has changed
$(INSTALLED): settings.ini setup.py
	[ -x $(VENV)/bin/python ] || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV): several minutes the first time"
	$(VENV)/bin/python -m pip install -qq --editable '.[dev]'
	touch $@

demo: $(INSTALLED) ## train a small Semi-StyleGAN, then open demo/report.html (ARGS=--quick: 90 seconds)
	semistyle_demo --out demo $(ARGS)

test: $(INSTALLED) ## every notebook and every test that does not take minutes
	python tools/test_nbs.py
	OMP_NUM_THREADS=1 python -m pytest -q -rs -n 2 --dist loadfile --no-loadscope-reorder tests

test-all: $(INSTALLED) ## with the cells and tests marked slow
	python tools/test_nbs.py --flags slow --limit 7200
	OMP_NUM_THREADS=1 python -m pytest -q -rs -n 2 --dist loadfile --no-loadscope-reorder --slow tests

torture: $(INSTALLED) ## kill small runs at every rename, sync and delete, and ask what was lost (ARGS="train --moments 3": less)
	OMP_NUM_THREADS=1 python tools/torture.py --moments 0 $(ARGS)

oldest: ## once a month: the oldest versions that settings.ini admits, in an environment of their own
	tools/try_install.sh oldest

docs: $(INSTALLED) ## the site in _docs/, and README.md
	if [ ! -d $(KATEX) ] && command -v npm >/dev/null; then npm install --no-save --silent --prefix $(VENV) katex@0.16.47 || true; fi
	if [ ! -f $(VENV)/$(RUNTIME).tgz ] && command -v npm >/dev/null; then npm pack --silent --pack-destination $(VENV) $(subst web-,web@,$(RUNTIME)) >/dev/null || true; fi
	python tools/build_docs.py $$([ ! -d $(KATEX) ] || echo --katex $(KATEX)) $$([ ! -f $(VENV)/$(RUNTIME).tgz ] || echo --runtime $(VENV)/$(RUNTIME).tgz)

clean: ## all that is built, but neither .venv nor demo/
	rm -rf _proc _docs _site_src _site_src_turn build dist .pytest_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
