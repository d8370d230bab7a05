"""Prompts rewritten by a language model before they are drawn: `enhance_prompt` of a job. See docs/vllm.md."""
