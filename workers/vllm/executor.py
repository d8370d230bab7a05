"""vLLM V1's executor for one process, with our worker. Named in vLLM's `distributed_executor_backend`."""

from __future__ import annotations

from vllm.v1.executor.uniproc_executor import UniProcExecutor

WORKER = "workers.vllm.worker.QwenImageWorker"
#: vLLM fills in its platform's worker before an executor exists, so that what was left unset looks like this.
PLATFORM_WORKERS = "vllm.v1.worker."


class QwenImageUniProcExecutor(UniProcExecutor):
    """Uses `QwenImageWorker`, unless the configuration names a worker of its own."""

    def _init_executor(self) -> None:
        parallel = self.vllm_config.parallel_config
        if parallel.worker_cls in ("", "auto") or parallel.worker_cls.startswith(PLATFORM_WORKERS):
            parallel.worker_cls = WORKER
        super()._init_executor()
