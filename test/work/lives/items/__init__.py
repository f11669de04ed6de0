"""All items, in the order in which they are judged. A new one is a class of Item, and a line here
and in the table of test/work/README.md."""
from .bulk import Bulk
from .failures import Redrive
from .groups import Paced, Priorities, Settings, Weights
from .keys import Debounce, Throttle
from .mixed import Mixed
from .orders import Orders
from .outbox import Outbox
from .results import Progress, Results, Voices
from .schedules import Overlaps, Ticks, Triggers
from .times import Cancels, Delayed, Expiry, Timeouts

ALL = (Mixed, Debounce, Throttle, Delayed, Expiry, Timeouts, Cancels, Paced, Weights, Priorities,
       Settings, Bulk, Results, Voices, Progress, Ticks, Overlaps, Triggers, Orders, Outbox,
       Redrive)
