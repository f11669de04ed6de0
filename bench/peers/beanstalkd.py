"""beanstalkd with its binlog, synced for each job."""

from .peer import Peer, Shape, said
from .process import Process, Server


class Beanstalkd(Peer):
    name = "beanstalkd -f 0"
    dialect = "beanstalk"
    programs = ("beanstalkd",)
    says_ok = "synced before the reply, put and delete; who holds a job is not written"
    publish_shapes = (Shape(64, 1, 1), Shape(8, 1, 50), Shape(1, 1, 500))
    take_shapes = (Shape(64, 1, 1), Shape(8, 1, 50), Shape(1, 1, 500))

    def version(self):
        return said("beanstalkd", "-v")

    def start(self, folder, port, relaxed=False):
        binlog = folder / "binlog"
        binlog.mkdir(exist_ok=True)
        return Server(self, folder, port, [Process(
            "beanstalkd", ["beanstalkd", "-l", "127.0.0.1", "-p", port, "-b", binlog,
                           *(("-F",) if relaxed else ("-f", "0"))], folder)])
