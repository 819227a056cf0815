"""Conversations of which only a part of the order is given, and all the orders they may have.

A message comes after the one before it on its chain (its connection, unless another chain is
named), after the messages that it names as `after`, and after nothing else.
"""

import json


class Talk:
    def __init__(self):
        self.messages = []  # (conn, dir, message, indices of those before it)
        self.last = {}  # of each chain: the indices of which the next one comes after

    def add(self, conn, direction, message, after=(), chain=None):
        chain = chain or conn
        before = set(self.last.get(chain, ())) | set(after)
        self.messages.append((conn, direction, message, before))
        self.last[chain] = [len(self.messages) - 1]
        return len(self.messages) - 1

    def ask(self, conn, number, method, after=(), chain=None, **params):
        return self.add(conn, "c2s", {"id": number, "method": method, "params": params}, after,
                        chain)

    def answer(self, conn, number, after=(), chain=None, **result):
        return self.add(conn, "s2c", {"id": number, "result": result}, after, chain)

    def note(self, conn, method, after=(), chain=None, **params):
        return self.add(conn, "s2c", {"method": method, "params": params}, after, chain)

    def demand(self, conn, number, method, after=(), chain=None, **params):
        """The server asks."""
        return self.add(conn, "s2c", {"method": method, "id": number, "params": params}, after,
                        chain)

    def reply(self, conn, number, after=(), chain=None, **result):
        """The client answers."""
        return self.add(conn, "c2s", {"id": number, "result": result}, after, chain)

    def fork(self, chain, *others):
        """The other chains go on from where this one is."""
        for other in others:
            self.last[other] = list(self.last.get(chain, ()))

    def join(self, chain, *others):
        """The chain goes on when the others are done."""
        self.last[chain] = [at for name in (chain, *others) for at in self.last.get(name, ())]

    def orders(self):
        """Every order, as lists of indices, in which each message comes after those before it."""
        order, left = [], set(range(len(self.messages)))

        def walk():
            if not left:
                yield list(order)
            for at in sorted(left):
                if self.messages[at][3].isdisjoint(left):
                    order.append(at)
                    left.remove(at)
                    yield from walk()
                    left.add(order.pop())

        return walk()

    def write(self, order, path):
        """A recording of the conversation in that order."""
        several = len({conn for conn, *_ in self.messages}) > 1
        with open(path, "w", encoding="utf-8") as file:
            for step, at in enumerate(order):
                conn, direction, message, _ = self.messages[at]
                entry = {"t": step / 1000, "dir": direction, "raw": json.dumps(message)}
                if several:
                    entry["conn"] = conn
                file.write(json.dumps(entry) + "\n")
