"""The tasks that Celery's worker runs in the test, and the app that worker and test share."""

import os
import pathlib
import socket

from celery import Celery, signals

PREFIX = os.environ["PREFIX"]
FOLDER = pathlib.Path(os.environ["FOLDER"])
DOOR = str(FOLDER / "door")  # where the test listens for what tasks tell
GATE = str(FOLDER / "gate")  # where a task waits until the test lets it go on

app = Celery("tasks", broker=os.environ["AMQP_URL"], backend="rpc://")
app.conf.update(
    task_default_queue=PREFIX + "celery",
    broker_transport_options={"confirm_publish": True},
    broker_connection_timeout=5,
    broker_heartbeat=10,
    task_acks_late=True,
    task_track_started=True,
    task_send_sent_event=True,
    worker_send_task_events=True,
    worker_prefetch_multiplier=2,
    result_expires=60,
    control_exchange=PREFIX + "pidbox",
    event_exchange=PREFIX + "celeryev",
    event_queue_prefix=PREFIX + "celeryev",
)


def tell(text):
    """One datagram to the test."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.sendto(text.encode(), DOOR)


@signals.worker_ready.connect
def ready(**_):
    tell("worker ready")


@app.task
def add(a, b):
    return a + b


@app.task
def fail(text):
    raise ValueError(text)


@app.task(bind=True, max_retries=5)
def third_time_lucky(self):
    if self.request.retries < 2:
        raise self.retry(countdown=0.1)
    return self.request.retries


@app.task
def note(text):
    tell(text)


@app.task
def hold(text):
    """Runs until the test lets it go on, or the task is ended."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as gate:
        try:
            gate.connect(GATE)
        except ConnectionRefusedError:
            return  # it stands open
        gate.sendall(text.encode())
        gate.recv(1)
