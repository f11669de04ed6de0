"""An item of the task queue: what is asked during the lives, and the law that holds after them."""


class Item:
    """One of each for a run. issue() is called from a thread for each front."""

    name = ""
    needs = "work_crew"  # a program beside it: where that was not built, the item is left out

    def __init__(self, world):
        self.world = world

    def plan(self, fronts):
        """Declares what it needs; everybody lives."""

    def issue(self, front, chance):
        """Asks something of that front, whoever dies meanwhile."""

    def live(self, front, chance):
        """Between two deaths, on the main thread: everybody lives."""

    def close(self):
        """Asks for nothing more; findings, or nothing. What was asked for ends after this."""

    def judge(self, fronts):
        """What is not as the law says, a sentence each. All work has ended."""
        return ()

    def tested(self):
        """How much the law was asked of; nothing is a finding."""
        return 0


class Given:
    """A task that the server has taken."""

    def __init__(self, identity, **about):
        self.id = identity
        self.__dict__.update(about)
