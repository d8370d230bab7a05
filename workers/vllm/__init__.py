"""Qwen-Image inside vLLM V1, without a change to vLLM. Imported by qualified name only: nothing here is free.

`custom_inputs`, `processor` and `runner_adapter` need no vLLM; `requests`, `executor`, `worker` and `model_runner`
do. See docs/vllm.md.
"""
