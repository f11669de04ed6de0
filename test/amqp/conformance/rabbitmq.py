"""How a node of Debian's rabbitmq-server is started beside the system's own service.

It has its own port mapper, cookie and folders, and asks for no user of the system.
"""

SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"
READY = b"Server startup complete"  # on standard output


class Node:
    """Words and environment of its two processes; the mapper goes first. `folder` is empty.

    `definitions`: a file that it imports when it starts, instead of its usual user.
    `management_port`: of its management API, 0 for none.
    """

    def __init__(self, folder, port, mapper_port, distribution_port, definitions=None,
                 management_port=0):
        home = folder / "home"
        home.mkdir()
        (folder / "plugins").write_text("[rabbitmq_management].\n" if management_port else "[].\n")
        (folder / "rabbitmq.conf").write_text(
            "log.console = true\nlog.console.level = info\n"
            + (f"load_definitions = {definitions}\n" if definitions else "")
            + (f"management.tcp.port = {management_port}\nmanagement.tcp.ip = 127.0.0.1\n"
               "collect_statistics_interval = 500\n" if management_port else ""))
        (folder / "environment").write_text("")
        self.mapper = ["epmd", "-port", str(mapper_port), "-address", "127.0.0.1"]
        self.server = [SERVER]
        self.environment = {
            "HOME": str(home),
            "ERL_EPMD_PORT": str(mapper_port), "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"penstock-control-{port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(port), "RABBITMQ_DIST_PORT": str(distribution_port),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"), "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONF_ENV_FILE": str(folder / "environment"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        }
