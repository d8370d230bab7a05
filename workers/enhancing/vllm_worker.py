"""The enhancer's own Celery worker: `python -m workers.enhancing.vllm_worker MODEL`. Needs `omni-jobs[vllm]`.

It hears one queue, asks its vLLM engine, and leaves each answer in Redis for the slot that waits. It holds no job:
when it dies, jobs go on with their original prompts.
"""

from __future__ import annotations

import json
import os
import threading
import warnings
from collections.abc import Callable
from typing import Any

import click
import structlog
from celery import Celery
from celery.platforms import SecurityWarning
from celery.signals import setup_logging

from omni_jobs.celery_tasks import make_app, queue_named
from omni_jobs.lifeline import end_with_input
from omni_jobs.logs import configure_logs
from omni_jobs.names import ENHANCE_QUEUE, ENHANCE_TASK
from omni_jobs.settings import load_settings
from omni_jobs.store import JobStore, connect
from workers.app import POOL

log = structlog.get_logger(__name__)

#: Takes a prompt and an instruction, gives what the model says.
Answer = Callable[[str, str], str]


def make_enhancer_app(store: JobStore, answer: Answer) -> Celery:
    """The Celery app that answers questions."""
    app = make_app(store.broker_url, store.keys.prefix)
    app.conf.worker_enable_remote_control = False
    app.conf.task_queues = [queue_named(ENHANCE_QUEUE)]

    @app.task(name=ENHANCE_TASK)  # type: ignore[untyped-decorator]
    def enhance(question: str, prompt: str, instruction: str) -> None:
        try:
            said = {"text": answer(prompt, instruction)}
        except Exception as error:
            log.error("question not answered", error=str(error), exc_info=True)
            said = {"error": f"the enhancer failed: {type(error).__name__}: {error}"}
        store.answer_rewriting(question, said)

    return app


def hear(store: JobStore, answer: Answer, slots: int) -> None:
    """Answer until told to stop."""
    os.environ["CELERY_CUSTOM_WORKER_POOL"] = POOL  # read by Celery when its pools are imported
    app = make_enhancer_app(store, answer)
    setup_logging.connect(lambda **_: None, weak=False)  # logs are ours already
    warnings.filterwarnings("ignore", category=SecurityWarning)  # Celery fears pickle; only JSON is accepted
    options = f"-q worker -P custom -c {slots} --without-gossip --without-mingle -n enhancer-{os.getpid()}@%h"
    app.worker_main(options.split())


@click.command(help="Rewrite prompts with a language model. MODEL is a folder or a hub id.")
@click.argument("model")
@click.option("--slots", type=int, default=16, show_default=True, help="Prompts in flight.")
@click.option("--max-tokens", type=int, default=512, show_default=True, help="Most tokens of an answer.")
@click.option("--engine", "engine_text", default="{}", help="Further arguments of vLLM's engine, as JSON.")
@click.option("--end-with-input", "ends_with_input", is_flag=True, help="End when standard input closes.")
def main(model: str, slots: int, max_tokens: int, engine_text: str, ends_with_input: bool) -> None:
    from workers.enhancing.vllm_engine import VllmText

    settings = load_settings()
    configure_logs(settings.log_format, settings.log_level)
    options: dict[str, Any] = json.loads(engine_text)
    engine = VllmText(model, max_tokens, **options)
    store = connect(settings)
    if ends_with_input:
        threading.Thread(target=end_with_input, name="input", daemon=True).start()
    log.info("enhancer hears questions", model=model, slots=slots)
    try:
        hear(store, engine.answer, slots)
    finally:
        engine.close()
        store.close()


# vLLM's engine process imports this file again.
if __name__ == "__main__":
    main()
