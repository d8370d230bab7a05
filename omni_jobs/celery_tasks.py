"""Celery as we use it: a doorbell and a letter slot, never a job queue. The settings are the measured ones.

Producers ring through `producer_app`; workers build theirs with `make_app` and call `register_submit`, so that any
Celery application can submit a job by name: `app.send_task("omni_jobs.submit", [{...}], queue="omni.submit")`.
ETA, retry, revoke, time limits, priorities and results of Celery are not used; the job record has its own.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import structlog
from celery import Celery, Task
from celery.exceptions import Reject
from kombu import Exchange, Queue

from omni_jobs.errors import OmniJobsError, Unavailable
from omni_jobs.names import DEFAULT_ACCOUNT, DOORBELL_TASK, SUBMIT_QUEUE, SUBMIT_TASK, Keys, model_queue
from omni_jobs.schemas import Job
from omni_jobs.store.sentinel import SCHEME, read_address

LOG = structlog.get_logger(__name__)
#: Far above any job: takeover is done by leases, and a redelivered doorbell would only be noise.
VISIBILITY_SECONDS = 86_400
_CERT_REQS = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}

#: Takes the job's JSON, the account and the job id.
Submit = Callable[[Mapping[str, Any], str, str], Job]


def broker_settings(redis_url: str, key_prefix: str) -> dict[str, Any]:
    """Celery's settings for one deployment.

    Queues begin with `omni.`, so the default prefix needs no other; then an application with plain settings on the
    same Redis reaches us. Any other prefix gets a key space of its own.
    """
    url, tls = broker_address(redis_url)
    return {
        "broker_url": url,
        "broker_use_ssl": tls,
        "broker_transport_options": {
            "visibility_timeout": VISIBILITY_SECONDS,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "socket_timeout": 5,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "health_check_interval": 15,
            "queue_order_strategy": "priority",
            "priority_steps": [0, 3, 6, 9],
            "global_keyprefix": "" if key_prefix == Keys().prefix else f"{key_prefix}:",
            **sentinel_options(redis_url),
        },
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "task_acks_late": True,
        "task_acks_on_failure_or_timeout": True,
        "task_ignore_result": True,
        "result_backend": None,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_create_missing_queues": False,
        "worker_prefetch_multiplier": 1,
        "worker_send_task_events": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_soft_shutdown_timeout": 20,
        "worker_hijack_root_logger": False,
    }


def broker_address(redis_url: str) -> tuple[str, dict[str, Any] | None]:
    """kombu's form of a redis-py URL, and its TLS options: kombu would speak plain text to a bare `rediss://`."""
    parts = urlsplit(redis_url)
    query = dict(parse_qsl(parts.query))
    if parts.scheme == SCHEME:
        return sentinel_urls(redis_url), None
    if parts.scheme == "unix":
        user, _, _ = parts.netloc.rpartition("@")
        at = f"{user}@" if user else ""
        return f"redis+socket://{at}{quote(parts.path)}?virtual_host={query.get('db', '0')}", None
    database = parts.path.strip("/") or query.get("db", "0")
    address = f"{parts.scheme}://{parts.netloc}/{database}"
    if parts.scheme != "rediss":
        return address, None
    tls: dict[str, Any] = {name: value for name, value in query.items() if name.startswith("ssl_")}
    tls["ssl_cert_reqs"] = _CERT_REQS[query.get("ssl_cert_reqs", "required")]
    if "ssl_check_hostname" in tls:
        tls["ssl_check_hostname"] = tls["ssl_check_hostname"].lower() in {"1", "true", "yes"}
    return address, tls


def sentinel_urls(redis_url: str) -> str:
    """kombu's form of a sentinel URL: one for each sentinel, the first with what the primary wants to know."""
    address = read_address(redis_url)
    secret = f"{quote(address.username or '', '')}:{quote(address.password or '', '')}@"
    at = secret if address.password else ""
    return ";".join(f"{SCHEME}://{at}{host}:{port}/{address.database}" for host, port in address.sentinels)


def sentinel_options(redis_url: str) -> dict[str, Any]:
    """Transport options of kombu for a sentinel URL; none for any other."""
    if urlsplit(redis_url).scheme != SCHEME:
        return {}
    address = read_address(redis_url)
    asking = {"socket_timeout": 5, "socket_connect_timeout": 2, "password": address.sentinel_password}
    return {"master_name": address.service, "sentinel_kwargs": asking}


def queue_named(name: str) -> Queue:
    """A direct queue whose exchange and routing key bear its own name."""
    return Queue(name, Exchange(name, type="direct"), routing_key=name)


def make_app(redis_url: str, key_prefix: str) -> Celery:
    """A Celery application with our settings that touches no other application of the process."""
    app = Celery("omni_jobs", set_as_current=False)
    app.conf.update(broker_settings(redis_url, key_prefix))
    return app


@lru_cache(maxsize=16)
def producer_app(redis_url: str, key_prefix: str) -> Celery:
    """The application through which this process rings, once: a lost doorbell is not worth waiting for."""
    app = make_app(redis_url, key_prefix)
    once = {"max_retries": 0, "interval_start": 0, "interval_step": 0, "interval_max": 0}
    app.conf.broker_transport_options = app.conf.broker_transport_options | once
    return app


def send_doorbell(app: Celery, model: str, account: str, job_id: str) -> None:
    """Sends "come and look" to the workers of a model, with the job as a hint. Raises what kombu raises."""
    app.send_task(
        DOORBELL_TASK,
        args=[account, job_id],
        queue=queue_named(model_queue(model)),
        retry=False,
        ignore_result=True,
    )


def register_submit(app: Celery, submit: Submit) -> Task:
    """Gives `app` the task by which other applications submit jobs.

    The job's id comes from the message's, so that a message delivered twice makes one job. A refused job is
    logged: its sender cannot be told, which is what the HTTP and Redis clients are for.
    """

    def submit_job(task: Task, job: Mapping[str, Any], account: str = DEFAULT_ACCOUNT) -> None:
        job_id = f"job_{hashlib.sha256(task.request.id.encode()).hexdigest()[:28]}"
        try:
            submit(job, account, job_id)
        except Unavailable as error:
            raise Reject(str(error), requeue=True) from error
        except OmniJobsError as error:
            LOG.error("submit_refused", code=error.code, field=error.field, error=str(error), account=account)

    return app.task(name=SUBMIT_TASK, bind=True, acks_late=True)(submit_job)


def submit_queue() -> Queue:
    """The queue that workers consume for `omni_jobs.submit`."""
    return queue_named(SUBMIT_QUEUE)
