"""Whether something is held, judged by the opening alone."""

from spatialbot_ros.holding import HoldingCheck


def close_on(width_m, seconds=1.0, start_m=0.08):
    """Fingers close at 0.1 m/s until `width_m`; returns the check and the last time."""
    check, time_s, opening_m = HoldingCheck(), 0.0, start_m
    while time_s < seconds:
        check.update(time_s, True, opening_m)
        opening_m = max(width_m, opening_m - 0.1 * 0.02)
        time_s += 0.02
    return check, time_s


def test_fingers_stopped_by_an_object_hold_it():
    assert close_on(0.04)[0].holding


def test_fingers_that_meet_hold_nothing():
    assert not close_on(0.0)[0].holding


def test_moving_fingers_hold_nothing_yet():
    assert not close_on(0.0, seconds=0.5)[0].holding


def test_fingers_that_have_not_begun_to_move_hold_nothing():
    check = HoldingCheck()
    for i in range(10):
        assert not check.update(0.02 * i, True, 0.05)


def test_an_object_is_held_until_the_fingers_are_asked_to_open():
    check, time_s = close_on(0.04)
    assert check.update(time_s + 0.1, True, 0.0385)
    assert not check.update(time_s + 0.2, False, 0.0385)


def test_a_lost_object_is_noticed():
    check, time_s = close_on(0.04)
    assert not check.update(time_s + 0.1, True, 0.001)


def test_open_fingers_hold_nothing():
    check = HoldingCheck()
    for i in range(100):
        assert not check.update(0.02 * i, True, 0.0799)


def feed(check, widths_m, closed=True, begin_s=10.0):
    """One width a twentieth of a second; names of what was told."""
    for k, width_m in enumerate(widths_m):
        check.update(begin_s + 0.05 * k, closed, width_m)
    return [record.name for record in check.take_records()]


def test_what_slips_out_of_closed_fingers_is_told_once():
    check = HoldingCheck()
    assert feed(check, [0.08, 0.06, 0.04] + [0.04] * 12) == []
    assert check.holding
    assert feed(check, [0.02, 0.0, 0.0, 0.0], begin_s=11.0) == ["slip"]
    assert feed(check, [0.0] * 20, begin_s=11.5) == []


def test_fingers_that_meet_grasped_nothing_and_letting_go_is_no_slip():
    check = HoldingCheck()
    assert feed(check, [0.08, 0.04, 0.0] + [0.0] * 15) == ["grasp_empty"]
    assert feed(check, [0.0, 0.04, 0.08], closed=False, begin_s=12.0) == []
    assert feed(check, [0.08, 0.04] + [0.04] * 12, begin_s=13.0) == []
    assert feed(check, [0.05, 0.08], closed=False, begin_s=14.0) == []
