"""team: how threads that wait in compiled code share a loop.

A sleeping thread takes 50 to 200 µs to wake, and one that runs Python queues for the interpreter's
lock: as long as a product of matrices takes. So the members of a team wait in compiled code, for
the next loop or until they have waited too long, and start within a microsecond.

A loop over ``range(count)`` is cut into a part for each thread, always the same, so that what a
thread wrote is in its own core's cache when its part comes up again; a part is taken in bites, and
who has done their own takes of the others'. Bites begin at the same numbers whoever takes them.

The leader closes the ticket (makes it odd), waits until nobody is inside, writes down what is to be
done, and opens it (the next even number). A member first enters, then looks whether the ticket is
still the one it saw.
"""

from __future__ import annotations

from ..team import MEMBERS
from .atomics import add, call, closure, exchange, load, relax, store
from .mathematics import compiled, inlined

#: Words of 8 bytes, each of those that are written often on a line of the cache of its own.
LINE = 64
TICKET, TASK, DONE, INSIDE, BUSY, RESTS = (i * LINE for i in range(6))
_FUNCTION, _DATA, _COUNT, _PARTS, _BITES = (TASK + i * 8 for i in range(5))
#: By member: whether it sleeps; by part: how many bites have been taken.
ASLEEP, TAKEN = 6 * LINE, 7 * LINE
EACH = 2 * LINE
SIZE = 6 * LINE + EACH * MEMBERS


@compiled
def _take(team, me):
    """Bites of one's own part, then of the others'."""
    function, data = load(team + _FUNCTION), load(team + _DATA)
    count, parts, bites = load(team + _COUNT), load(team + _PARTS), load(team + _BITES)
    for other in range(parts):
        part = (me + other) % parts
        first, last = count * part // parts, count * (part + 1) // parts
        while True:
            bite = add(team + TAKEN + EACH * part, 1)
            if bite >= bites:
                break
            a = first + (last - first) * bite // bites
            b = first + (last - first) * (bite + 1) // bites
            if b > a:
                call(function, data, a, b)
            add(team + DONE, 1)


@compiled
def serve(team, me, seen, patience):
    """Take part in what comes, until nothing has come for so many looks, or they are sent to rest;
    the last ticket."""
    rests = load(team + RESTS)
    while True:
        looks = 0
        ticket = load(team + TICKET)
        while ticket == seen or ticket % 2:
            looks += 1
            if looks > patience or load(team + RESTS) != rests:
                store(team + ASLEEP + EACH * me, 1)
                if load(team + TICKET) == ticket:
                    return seen
                store(team + ASLEEP + EACH * me, 0)
                looks, rests = 0, load(team + RESTS)
            relax()
            ticket = load(team + TICKET)
        seen = ticket
        add(team + INSIDE, 1)
        if load(team + TICKET) == ticket and me < load(team + _PARTS):
            _take(team, me)
        add(team + INSIDE, -1)


@compiled
def _lead(team, function, data, count, parts, bites):
    """Share a loop with the team; alone, where another thread is leading it."""
    if exchange(team + BUSY, 1):
        for part in range(parts):
            first, last = count * part // parts, count * (part + 1) // parts
            for bite in range(bites):
                a = first + (last - first) * bite // bites
                b = first + (last - first) * (bite + 1) // bites
                if b > a:
                    call(function, data, a, b)
        return
    store(team + _FUNCTION, function)
    store(team + _DATA, data)
    store(team + _COUNT, count)
    store(team + _PARTS, parts)
    store(team + _BITES, bites)
    store(team + DONE, 0)
    for part in range(parts):
        store(team + TAKEN + EACH * part, 0)
    add(team + TICKET, 1)
    _take(team, 0)
    while load(team + DONE) < parts * bites:
        relax()
    add(team + TICKET, 1)
    while load(team + INSIDE):
        relax()
    store(team + BUSY, 0)


@compiled
def send_to_rest(team):
    """Have the members sleep: others are about to want their cores."""
    add(team + RESTS, 1)


@inlined
def share(team, body, given, count, parts, bites):
    """``body(*given, first, last)`` for the bites of ``range(count)``."""
    function, data = closure(body, (), given)
    _lead(team, function, data, count, parts, bites)


@inlined
def share_rows(team, body, cut, whole, parts):
    """``body(*cut, *whole)`` with some rows of the arrays in ``cut`` at a time, of all of them."""
    function, data = closure(body, cut, whole)
    _lead(team, function, data, len(cut[0]), parts, 4)
