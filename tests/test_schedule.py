"""Phases, memory and the update table, as tables: nothing is compiled here."""

from collections import Counter
from itertools import combinations, pairwise

import numpy as np
import pytest
from tape_nets import ALL as STATELESS
from tape_nets import SMALL, STATEFUL, Net, grouped, lenet
from tapes import ADAM

from fastnn_kernels import tile_choice
from fastnn_kernels.ops.update import (
    CHUNK_COLUMNS,
    CHUNK_SIZE,
    COMPLETE_CHUNK_SIZE,
    DECAY,
    OFFSET,
    SIZE,
    SLOT,
    TRAINED,
)
from fastnn_kernels.placement import place
from fastnn_kernels.program import OPERANDS, make_program
from fastnn_kernels.schedule import make_schedule
from fastnn_kernels.stage import NO_HALO, Axis, Machine, Space
from fastnn_kernels.tape import Row

BLOCK, GROUP, TILE, CHUNK = Axis
# AVX-512 and AVX2 in float32, AVX-512 and SSE2 in float64.
MACHINES = [Machine(16, 24, 16), Machine(8, 12, 8), Machine(8, 24, 8), Machine(2, 12, 2), Machine(1, 24, 16)]

ALL = {**STATELESS, **STATEFUL}
nets = pytest.mark.parametrize("net", ALL)
machines = pytest.mark.parametrize("machine", MACHINES, ids=lambda m: f"{m.lanes}-lanes")


def program_of(tape, machine=MACHINES[0], update=ADAM):
    return make_program(tape, machine, backward=True, loss=True, update=update)


def axes(program):
    return [Axis(axis) for _, _, axis in program.phases]


def functions(program, phase):
    """Names of the ops of a phase, counted; the halo of a map is part of the op that writes the map."""
    first, last, _ = program.phases[phase]
    return Counter(c.function.__name__ for c in program.calls[first:last] if c.function.__name__ != "zero_halo_op")


def test_lenet_has_one_block_phase_and_one_update_phase():
    program = program_of(lenet())
    assert axes(program) == [TILE, BLOCK, TILE, CHUNK]
    assert functions(program, 0) == {"winograd_row_pack": 3}  # the first layer has no input gradient
    assert functions(program, 2) == {"loss_total": 1, "dense_backward_weight": 3}
    assert functions(program, 3) == {"reduce_op": 1, "adam_op": 1}
    first, last, _ = program.phases[1]
    names = [c.function.__name__ for c in program.calls[first:last]]
    assert names[:4] == ["load_op", *["winograd_row_pooled_maps"] * 2, "dense_product"]
    assert names[-1] == "winograd_row_pooled_weights"


def test_dense_gradients_come_in_the_order_of_the_parameters():
    program = program_of(lenet())
    first, last, _ = program.phases[2]
    calls = [c for c in program.calls[first:last] if c.function.__name__ == "dense_backward_weight"]
    inputs = [c.options[0] for c in calls]
    assert inputs == sorted(inputs, reverse=True)


def test_a_net_without_packing_and_dense_layers_has_the_loss_between():
    tape = Net(3, 4, 5).pool((2, 2), (2, 2)).layer("softmax").done("sum_squared_error")
    program = make_program(tape, MACHINES[0], backward=False, loss=True, update=None)
    assert axes(program) == [BLOCK, TILE]


def test_a_grouped_net_has_all_four_axes():
    program = program_of(grouped())
    assert axes(program) == [TILE, BLOCK, GROUP, BLOCK, TILE, GROUP, BLOCK, CHUNK]
    assert functions(program, 2) == functions(program, 5) == {"dense_product": 1}
    assert functions(program, 4) == {"loss_total": 1, "dense_backward_weight": 2}
    assert functions(program, 6) == {"activation_backward": 1, "conv2d_taps_backward_weight": 1}


def test_inference_has_no_loss_and_no_update():
    program = make_program(lenet(), MACHINES[0], backward=False, loss=False, update=None)
    assert axes(program) == [TILE, BLOCK]
    assert functions(program, 0) == {"winograd_row_pack": 2}
    assert functions(program, 1)["unload_op"] == 1


@nets
@machines
def test_what_a_stage_reads_was_written_before(net, machine):
    schedule, _ = laid_out(ALL[net](), machine)
    written = set()
    for phase in schedule.phases:
        of_phase = set()
        for item in phase.items:
            # Items of a block phase run one behind the other, those of other phases at the same time.
            there = written | of_phase if phase.axis == BLOCK else written
            for name in item.named(item.stage.reads):
                if name not in item.stage.temps(item.row, machine):
                    assert key_of(schedule, item, name) in there, (item.row.op, item.row.kernel, name)
            of_phase |= {key_of(schedule, item, name) for name in item.named(item.stage.writes)}
        written |= of_phase


def laid_out(tape, machine):
    """Schedule and placement of a training step."""
    rows = [Row("load", "forward", {"y": tape.inputs[0]}, {}, {}, {}), *tape.forward, tape.loss, *tape.backward()]
    schedule = make_schedule(rows, tape, machine)
    return schedule, place(schedule, machine)


def key_of(schedule, item, name):
    key = item.operand(name)
    return ("value", schedule.alias.get(key[1], key[1])) if key[0] == "value" else key


def lifetimes(schedule):
    """First and last instant at which each value and temporary is used, counted independently of placement.py.

    A row of a block phase is an instant; any other phase is one instant as a whole.
    """
    uses, instant = {}, 0
    for phase in schedule.phases:
        for item in phase.items:
            for name in item.named((*item.stage.reads, *item.stage.writes)):
                uses.setdefault(key_of(schedule, item, name), []).append(instant)
            instant += phase.axis == BLOCK
        instant += phase.axis != BLOCK
    return {key: (min(at), max(at)) for key, at in uses.items()}


@nets
@machines
def test_no_two_values_alive_at_once_share_memory(net, machine):
    schedule, placement = laid_out(ALL[net](), machine)
    lives = lifetimes(schedule)
    assert lives.keys() == placement.places.keys()
    shared = 0
    for (a, (a_first, a_last)), (b, (b_first, b_last)) in combinations(lives.items(), 2):
        p, q = placement.places[a], placement.places[b]
        apart = p.space != q.space or p.offset + p.size <= q.offset or q.offset + q.size <= p.offset
        # What lies in one place for all blocks is written while other blocks still read.
        if p.space == Space.FIXED or (a_first <= b_last and b_first <= a_last):
            assert apart, (a, b)
        shared += not apart
    assert shared or net == "two_features"
    for place_ in placement.places.values():
        assert 0 <= place_.offset <= placement.sizes[place_.space] - place_.size
        assert place_.offset % machine.lanes == 0


@nets
@machines
def test_scratch_of_a_worker_is_used_within_one_task(net, machine):
    schedule, placement = laid_out(ALL[net](), machine)
    phases = {}
    for number, phase in enumerate(schedule.phases):
        for item in phase.items:
            for name in item.named((*item.stage.reads, *item.stage.writes)):
                key = key_of(schedule, item, name)
                if placement.places[key].space == Space.WORK:
                    assert phases.setdefault(key, number) == number
    assert phases


def test_lenet_takes_less_than_its_values_one_behind_the_other():
    _, placement = laid_out(lenet(), MACHINES[0])
    total = sum(p.size for p in placement.places.values() if p.space == Space.WORK)
    assert placement.sizes[Space.WORK] < 0.6 * total


@nets
@machines
def test_slots_of_gradients_do_not_overlap(net, machine):
    tape = ALL[net]()
    _, placement = laid_out(tape, machine)
    ranges = sorted((start, start + tape.params[k].size) for k, start in placement.slots.items())
    assert all(end <= start for (_, end), (start, _) in pairwise(ranges))
    assert all(start % machine.lanes == 0 for start, _ in ranges)
    assert not ranges or ranges[-1][1] <= placement.sizes[Space.SLOT]


@nets
@machines
def test_the_update_table_covers_every_parameter_once(net, machine):
    tape = ALL[net]()
    chunks = program_of(tape, machine).chunks
    assert chunks.shape[1] == CHUNK_COLUMNS
    times = np.zeros(tape.size, int)
    slots = laid_out(tape, machine)[1].slots
    for chunk in chunks:
        start, size = chunk[OFFSET], chunk[SIZE]
        assert 0 < size <= (CHUNK_SIZE if chunk[SLOT] >= 0 else COMPLETE_CHUNK_SIZE)
        times[start : start + size] += 1
        (owner,) = [p for p in tape.params if p.offset <= start and start + size <= p.offset + p.size]
        assert (chunk[DECAY], chunk[TRAINED]) == (owner.decay, owner.trainable)
        slot = slots.get(owner.index)
        assert chunk[SLOT] == (-1 if slot is None else slot + start - owner.offset)
    assert (times == 1).all()


@nets
def test_frozen_parameters_and_owned_tiles_have_no_slot(net):
    tape = ALL[net]()
    _, placement = laid_out(tape, MACHINES[0])
    owners = [row for row in tape.forward if row.op in ("dense", "batch_norm")]
    owned = {row.params[name].index for row in owners for name in ("w", "gamma", "beta") if name in row.params}
    for p in tape.params:
        block_by_block = p.trainable and p.index not in owned
        assert (p.index in placement.slots) == block_by_block, p.name


@pytest.mark.parametrize("net", SMALL)
@machines
def test_a_map_gets_a_halo_only_where_nobody_needs_it_plain(net, machine):
    schedule, placement = laid_out(SMALL[net](), machine)
    for phase in schedule.phases:
        for item in phase.items:
            for name in item.named((*item.stage.reads, *item.stage.writes)):
                halo = placement.places[key_of(schedule, item, name)].halo
                needed = item.stage.halo(item.row, machine).get(name, NO_HALO)
                assert all(have >= need for have, need in zip(halo, needed, strict=True))
                if item.stage.plain:
                    assert halo == NO_HALO, (item.row.op, name)


def test_operands_fit_the_tables():
    for build in ALL.values():
        for row in (*(tape := build()).forward, *tape.backward()):
            for stage in row.definition.stages:
                assert len(stage.reads) + len(stage.writes) <= OPERANDS


def test_tiles_stay_within_the_registers():
    for machine in MACHINES:
        for rows in (1, 5, 6, 16, 84, 2000):
            for cols in (1, 4, 5, 14, 28):
                r, c = tile_choice.product_tile(rows, cols, 25, machine.tile_limit)
                assert r * c <= machine.tile_limit
                assert r <= rows
                assert c <= cols
                whole = tile_choice.row_tile(rows, cols, machine.tile_limit)
                assert (whole is None) == (cols > machine.tile_limit)
                if whole is not None:
                    r, c = whole
                    assert c == cols
                    assert r <= rows
                    assert r * c <= machine.tile_limit
            assert tile_choice.column_tile(rows, machine.tile_limit) <= min(rows, machine.tile_limit)
