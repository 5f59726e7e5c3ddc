"""Pipes: data sets made of others, as PyTorch's."""

from __future__ import annotations

import io
import os
from typing import Any

import pytest
from twin_pipes import add, add_one, first, is_even, needs_keyword, parity, rows, same, triples

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


PROGRAMS = {
    "map": lambda p: list(rows(p).map(add_one)),
    "map_lambda": lambda p: list(rows(p).map(lambda x: x * 2)),
    "map_column": lambda p: list(triples(p).map(add_one, input_col=1)),
    "map_columns": lambda p: list(triples(p).map(add, input_col=[0, 2])),
    "map_output": lambda p: list(triples(p).map(add, input_col=(0, 2), output_col=1)),
    "map_append": lambda p: list(triples(p).map(add_one, input_col=0, output_col=-1)),
    "map_key": lambda p: list(
        p.iter.IterableWrapper([{"a": 1}]).map(add_one, input_col="a", output_col="b")
    ),
    "map_wrong": lambda p: rows(p).map(add_one, output_col=1),
    "map_many": lambda p: rows(p).map(add_one, input_col=[0, 1]),
    "map_few": lambda p: rows(p).map(add, input_col=0),
    "map_keyword": lambda p: rows(p).map(needs_keyword),
    "map_no_function": lambda p: rows(p).map(3),
    "map_outputs": lambda p: rows(p).map(add_one, input_col=0, output_col=[1, 2]),
    "filter": lambda p: list(rows(p).filter(is_even)),
    "filter_column": lambda p: list(triples(p).filter(is_even, input_col=0)),
    "filter_not_bool": lambda p: list(rows(p).filter(parity)),
    "batch": lambda p: list(rows(p).batch(3)),
    "batch_last": lambda p: (list(rows(p).batch(3, drop_last=True)), len(rows(p).batch(3, True))),
    "batch_wrong": lambda p: rows(p).batch(0),
    "batch_of_batches": lambda p: list(rows(p, 9).batch(2).batch(2)),
    "unbatch": lambda p: list(p.iter.IterableWrapper([[[0, 1], [2]], [[3]]]).unbatch()),
    "unbatch_all": lambda p: list(
        p.iter.IterableWrapper([[[0, 1], [2]], 3]).unbatch(unbatch_level=-1)
    ),
    "unbatch_deep": lambda p: list(p.iter.IterableWrapper([[0, 1]]).unbatch(unbatch_level=2)),
    "unbatch_wrong": lambda p: list(p.iter.IterableWrapper([[0]]).unbatch(unbatch_level=-2)),
    "group": lambda p: list(rows(p).groupby(parity)),
    "group_key": lambda p: list(rows(p).groupby(parity, keep_key=True, group_size=2)),
    "group_full": lambda p: list(
        rows(p).groupby(parity, buffer_size=3, group_size=3, guaranteed_group_size=2)
    ),
    "group_fails": lambda p: list(rows(p, 20).groupby(ninth, buffer_size=4, group_size=3)),
    "group_drops": lambda p: list(
        rows(p, 20).groupby(first_digit, buffer_size=4, group_size=3, drop_remaining=True)
    ),
    "group_wrong": lambda p: rows(p).groupby(parity, buffer_size=2, group_size=3),
    "group_guarantee": lambda p: rows(p).groupby(parity, guaranteed_group_size=3),
    "collate": lambda p: list(rows(p).batch(3).collate()),
    "collate_own": lambda p: list(rows(p).batch(3).collate(collate_fn=sum)),
    "concat": lambda p: (list(rows(p, 2).concat(rows(p, 3))), len(rows(p, 2).concat(rows(p, 3)))),
    "concat_nothing": lambda p: p.iter.Concater(),
    "concat_wrong": lambda p: rows(p).concat([1]),
    "zip": lambda p: (list(rows(p, 2).zip(rows(p, 3))), len(rows(p, 2).zip(rows(p, 3)))),
    "zip_wrong": lambda p: rows(p).zip([1]),
    "mux": lambda p: (list(rows(p, 2).mux(rows(p, 3))), len(rows(p, 2).mux(rows(p, 3)))),
    "sampler": lambda p: list(p.iter.Sampler(rows(p))),
    "sampler_arguments": lambda p: len(
        p.iter.Sampler(
            rows(p), p.data.RandomSampler, sampler_kwargs={"replacement": True, "num_samples": 3}
        )
    ),
    "sampler_no_length": lambda p: len(p.iter.Sampler(rows(p).filter(is_even))),
    "wrapper_length": lambda p: len(p.iter.IterableWrapper(iter([1]))),
    "wrapper_copies": lambda p: changed(p, True),
    "wrapper_shares": lambda p: changed(p, False),
    "wrapper_generator": lambda p: list(p.iter.IterableWrapper(x for x in range(2))),
    "no_length": lambda p: len(rows(p).filter(is_even).map(add_one)),
    "shuffle_seed": lambda p: (
        list(rows(p, 20).shuffle().set_seed(3)),
        list(rows(p, 20).shuffle(buffer_size=4).set_seed(3)),
    ),
    "shuffle_off": lambda p: list(rows(p).shuffle().set_shuffle(False)),
    "shuffle_wrong": lambda p: rows(p).shuffle(buffer_size=0),
    "shuffle_unbatched": lambda p: sorted(rows(p).batch(2).shuffle(unbatch_level=1)),
    "map_shuffle": lambda p: (
        list(p.map.SequenceWrapper(range(12)).shuffle().set_seed(5)),
        list(p.map.SequenceWrapper({"a": 1}).shuffle(indices=["a"])),
    ),
    "fork": lambda p: [list(x) for x in rows(p).fork(3)],
    "fork_turns": lambda p: list(zip(*rows(p).fork(2, buffer_size=1))),
    "fork_overflow": lambda p: list(rows(p).fork(2, buffer_size=3)[0]),
    "fork_one": lambda p: list(rows(p).fork(1)),
    "fork_none": lambda p: rows(p).fork(0),
    "fork_unlimited": lambda p: list(rows(p).fork(2, buffer_size=-1)[1]),
    "fork_copy": lambda p: copied(p, "deep"),
    "fork_shallow": lambda p: copied(p, "shallow"),
    "fork_wrong": lambda p: rows(p).fork(2, copy="paper"),
    "fork_again": lambda p: again(p),
    "fork_length": lambda p: len(rows(p).fork(2)[0]),
    "demux": lambda p: [list(x) for x in rows(p).demux(2, parity)],
    "demux_none": lambda p: [list(x) for x in rows(p).demux(2, odd_or_none, drop_none=True)],
    "demux_none_kept": lambda p: [list(x) for x in rows(p).demux(2, odd_or_none)],
    "demux_range": lambda p: [list(x) for x in rows(p).demux(2, add_one)],
    "demux_overflow": lambda p: list(rows(p, 20).demux(2, parity, buffer_size=3)[0]),
    "demux_length": lambda p: type(length_of(rows(p).demux(2, parity)[0])).__name__,
    "shard": lambda p: sharded(p),
    "shard_wrong": lambda p: rows(p).sharding_filter().apply_sharding(2, 2),
    "shard_mixed": lambda p: mixed(p),
    "two_iterators": lambda p: two(p),
    "unknown": lambda p: hasattr(rows(p), "unknown"),
    "repr": lambda p: (repr(rows(p)), str(rows(p).map(add_one)), repr(rows(p).fork(2)[0])[-4:]),
    "names": lambda p: sorted(
        set(p.data.IterDataPipe.functions) & {"map", "list_files", "read_from_stream", "twice"}
    ),
    "error": lambda p: list(rows(p).map(first)),
    "map_style": lambda p: list(p.map.SequenceWrapper(range(5)).map(add_one).batch(2)),
    "map_batches": lambda p: list(p.map.SequenceWrapper(range(5)).batch(2, drop_last=True)),
    "map_concat": lambda p: sequence_of(p).concat(sequence_of(p))[5],
    "map_concat_end": lambda p: sequence_of(p).concat(sequence_of(p))[9],
    "map_zip": lambda p: list(sequence_of(p).zip(sequence_of(p).map(add_one))),
    "map_zip_nothing": lambda p: p.map.Zipper(),
    "map_mapping": lambda p: p.map.SequenceWrapper({"a": 3}).map(add_one)["a"],
    "map_default": lambda p: p.map.Mapper(sequence_of(p))[2],
    "map_to_iter": lambda p: p.map.Concater([1]),
    "chunk": lambda p: (
        p.data.DataChunk([1, 2]).as_str(" "), list(p.data.DataChunk("ab").raw_iterator()),
    ),
    "stream": lambda p: list(
        p.iter.StreamReader(p.iter.IterableWrapper([("a", io.StringIO("abcde"))], False), chunk=2)
    ),
}  # fmt: skip


def ninth(x: int) -> int:
    return x % 9


def first_digit(x: int) -> int:
    return x // 4


def odd_or_none(x: int) -> Any:
    return x % 2 if x else None


def changed(p: Any, deepcopy: bool) -> Any:
    source = [[1], [2]]
    for x in p.iter.IterableWrapper(source, deepcopy):
        x.append(0)
    return source


def copied(p: Any, copy: str) -> Any:
    a, b = p.iter.IterableWrapper([[1, [2]]], deepcopy=False).fork(2, copy=copy)
    (x,), (y,) = list(a), list(b)
    x.append(3)
    x[1].append(4)
    return x, y


def again(p: Any) -> Any:
    a, b = rows(p, 3).fork(2)
    out = [list(a), list(b), list(b), next(iter(a))]
    i, j = iter(a), iter(b)
    next(i)
    k = iter(a)
    out += [next(k), next(iter(b))]
    try:
        next(j)
    except RuntimeError as error:
        out.append(str(error)[:50])
    return out


def length_of(pipe: Any) -> Any:
    try:
        return len(pipe)
    except TypeError as error:
        return error


def sharded(p: Any) -> Any:
    out = []
    for number in range(3):
        pipe = rows(p, 8).sharding_filter()
        pipe.apply_sharding(3, number)
        out.append((len(pipe), list(pipe)))
    groups = type(pipe).__module__ and rows(p, 12).sharding_filter()
    groups.apply_sharding(2, 1, sharding_group=2)
    groups.apply_sharding(3, 2, sharding_group=3)
    return out, list(groups), len(groups)


def mixed(p: Any) -> None:
    pipe = rows(p).sharding_filter()
    pipe.apply_sharding(2, 0)
    pipe.apply_sharding(2, 0, sharding_group=2)


def two(p: Any) -> Any:
    pipe = rows(p)
    i = iter(pipe)
    out = [next(i)]
    out.append(next(iter(pipe)))
    next(i)
    return out


def sequence_of(p: Any) -> Any:
    return p.map.SequenceWrapper(range(4))


@pytest.mark.parametrize("name", PROGRAMS)
def test_pipes(name: str) -> None:
    same(PROGRAMS[name])


def test_own_pipes() -> None:
    def program(p: Any) -> Any:
        class Twice(p.data.IterDataPipe):
            resets = 0

            def __init__(self, source: Any) -> None:
                self.source = source

            def __iter__(self) -> Any:
                for x in self.source:
                    yield x
                    yield x

            def reset(self) -> None:
                self.resets += 1

        class Counter(p.data.IterDataPipe):
            def __init__(self) -> None:
                self.n = 0

            def __next__(self) -> int:
                self.n += 1
                if self.n > 3:
                    raise StopIteration
                return self.n

            def __iter__(self) -> Any:
                return self

            def reset(self) -> None:
                self.n = 0

        name = f"twice_{p.L.__name__}"
        p.data.functional_datapipe(name)(Twice)
        pipe = getattr(Counter(), name)()
        out = [list(pipe), list(pipe), pipe.resets, list(getattr(rows(p, 2), name)())]
        p.data.IterDataPipe.register_function("total", sum)
        out.append(rows(p).total())
        del p.data.IterDataPipe.functions["total"], p.data.IterDataPipe.functions[name]
        return out

    same(program)


@pytest.mark.parametrize(
    "what", ["taken", "no_pipe", "varies", "decides", "decides_not", "refuses"]
)
def test_decorators(what: str) -> None:
    def program(p: Any) -> Any:
        d = p.data

        class Source(d.IterDataPipe):
            def __init__(self, n: int = 3) -> None:
                self.n = n

            def __iter__(self) -> Any:
                yield from range(self.n)

        if what == "taken":
            return d.functional_datapipe("map")(Source)
        if what == "no_pipe":
            return d.non_deterministic(int)
        if what == "varies":
            made = d.non_deterministic(Source)
            out = list(made(2))
            with d.guaranteed_datapipes_determinism():
                return out, list(made())
        made = d.non_deterministic((lambda n: n > 2) if what != "refuses" else (lambda n: 1))(
            Source
        )
        with d.guaranteed_datapipes_determinism():
            return list(made(2 if what == "decides" else 3))

    same(program)


def test_files(tmp_path: Any) -> None:
    for name in ("b.txt", "a.txt", "c.py", "sub/d.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"in {name}")
    folder = str(tmp_path)

    def program(p: Any) -> Any:
        lists = [
            list(p.iter.FileLister(folder)),
            list(p.iter.FileLister(folder, "*.txt", recursive=True)),
            list(p.iter.FileLister([folder, os.path.join(folder, "c.py")], ["*.py", "d*"])),
            list(p.iter.IterableWrapper([folder]).list_files(masks="a*", abspath=True)),
            len(p.iter.FileLister(folder, length=3)),
        ]
        texts = list(p.iter.FileLister(folder, "*.txt").open_files().read_from_stream())
        opened = p.iter.FileLister(folder, "a*").open_files(mode="b")
        ((_, stream),) = list(opened)
        read = stream.read()
        stream.close()
        return lists, texts, read, stream.closed

    same(program)
    same(lambda p: p.iter.FileOpener([], mode="w"))
    same(lambda p: p.iter.FileOpener([], mode="rb", encoding="utf-8"))
    same(lambda p: len(p.iter.FileLister(folder)))
