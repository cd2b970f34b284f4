"""Policy steps through a real ssh server on loopback; strangers are not trusted."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest
from own_address import own_address
from policy_doubles import WAIT_S, expected_answer, make_frame, observe, same_answer
from running_server import RunningServer, wait_until
from ssh_double import RunningSshServer

from spatialbot_model.contracts.errors import ConfigurationError, PolicyConnectionError
from spatialbot_model.serving.ssh import SshTarget


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningSshServer]:
    """A running ssh server; the user who tests has neither keys nor an agent."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with RunningSshServer(own_address(), tmp_path) as running:
        yield running


def target_of(gateway: RunningSshServer) -> SshTarget:
    return SshTarget(
        gateway.host,
        "robot",
        gateway.port,
        str(gateway.known_hosts_file),
        (str(gateway.client_key_file),),
    )


def test_steps_go_through_ssh_and_come_back_after_a_cut(
    gateway: RunningSshServer, server: RunningServer
) -> None:
    with server.client(ssh=target_of(gateway)) as client:
        client.start("pick it")
        frames = [make_frame(k, 160, 120) for k in range(6)]
        for k in range(3):
            observation = observe(frames[: k + 1])
            assert same_answer(client.step(observation), expected_answer(observation))
        gateway.drop_connections()
        wait_until(lambda: client.counters.connections == 2, "connected again")
        client.connect(WAIT_S)
        observation = observe(frames)
        assert same_answer(client.step(observation), expected_answer(observation))


def test_an_unknown_host_key_is_refused(gateway: RunningSshServer, server: RunningServer) -> None:
    # another file that does know it is not asked
    usual = Path.home() / ".ssh" / "known_hosts"
    usual.parent.mkdir(parents=True)
    usual.write_text(gateway.known_hosts_file.read_text())
    gateway.known_hosts_file.write_text("")
    assert_refused(server, target_of(gateway), "known_hosts")


def test_a_changed_host_key_is_refused(gateway: RunningSshServer, server: RunningServer) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    gateway.known_hosts_file.write_text(f"[{gateway.host}]:{gateway.port} {other}\n")
    assert_refused(server, target_of(gateway), "host key")


def test_without_any_known_hosts_nobody_is_trusted(
    gateway: RunningSshServer, server: RunningServer
) -> None:
    assert_refused(server, replace(target_of(gateway), known_hosts_file=""), "known_hosts")


def test_a_user_configuration_cannot_switch_the_check_off(
    gateway: RunningSshServer, server: RunningServer, tmp_path: Path
) -> None:
    folder = tmp_path / "home" / ".ssh"
    folder.mkdir(parents=True)
    (folder / "config").write_text(
        "Host *\n  StrictHostKeyChecking no\n  UserKnownHostsFile none\n"
    )
    assert_refused(server, replace(target_of(gateway), known_hosts_file=""), "known_hosts")


def test_a_key_that_is_not_accepted_is_said(
    gateway: RunningSshServer, server: RunningServer
) -> None:
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(gateway.client_key_file)
    assert_refused(server, target_of(gateway), "authorized_keys")


def test_a_broken_key_file_is_said(gateway: RunningSshServer, server: RunningServer) -> None:
    gateway.client_key_file.write_text("no key")
    assert_refused(server, target_of(gateway), "key")


def test_a_missing_known_hosts_file_is_said(
    gateway: RunningSshServer, server: RunningServer, tmp_path: Path
) -> None:
    target = replace(target_of(gateway), known_hosts_file=str(tmp_path / "none"))
    assert_refused(server, target, "does not exist")


def assert_refused(server: RunningServer, target: SshTarget, says: str) -> None:
    client = server.client(ssh=target)
    try:
        with pytest.raises(ConfigurationError, match=says):
            client.connect(WAIT_S)
    finally:
        client.close()
    assert not server.policies


def test_a_machine_that_is_not_there_is_said(
    gateway: RunningSshServer, server: RunningServer
) -> None:
    target = replace(target_of(gateway), port=1)
    client = server.client(ssh=target)
    with pytest.raises(PolicyConnectionError, match="no ssh connection to robot@"):
        client.connect(0.5)
    client.close()


@pytest.mark.parametrize(
    ("text", "user", "host", "port"),
    [
        ("gpu", "", "gpu", 0),
        ("me@gpu.lab", "me", "gpu.lab", 0),
        ("me@10.0.0.1:2222", "me", "10.0.0.1", 2222),
        ("me@[fe80::1]:22", "me", "fe80::1", 22),
    ],
)
def test_targets_are_read(text: str, user: str, host: str, port: int) -> None:
    target = SshTarget.parse(text)
    assert (target.user, target.host, target.port) == (user, host, port)


@pytest.mark.parametrize(
    "text", ["", "me@", "@gpu", "gpu:", "gpu:x", "gpu:70000", "-oProxyCommand=x", "a b", "a@b@c"]
)
def test_other_targets_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="expected"):
        SshTarget.parse(text)
