"""Who may talk to a policy server: tokens, loopback, certificates.

A token comes from a file that nobody else can read, or from the environment; never from the
command line, which every user of the machine can list.
"""

import hmac
import ipaddress
import os
import ssl
import stat
from pathlib import Path

from spatialbot_model.contracts.errors import ConfigurationError

TOKEN_VARIABLE = "SPATIALBOT_TOKEN"
"""Environment variable that holds the token when no file is named."""

MIN_TOKEN_CHARS = 16


def read_token(token_file: str = "") -> str:
    """The token of the named file, else of the environment, else empty.

    Raises:
        ConfigurationError: the file is missing, readable by others, or its token too short.
    """
    if not token_file:
        token = os.environ.get(TOKEN_VARIABLE, "").strip()
        return _checked(token, f"environment variable {TOKEN_VARIABLE}") if token else ""
    path = Path(token_file).expanduser()
    try:
        with path.open(encoding="utf-8") as stream:
            # of the open file, so that it cannot be exchanged in between
            mode = os.fstat(stream.fileno()).st_mode
            if not stat.S_ISREG(mode) or mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise ConfigurationError(
                    f"token file {path} has mode {stat.filemode(mode)}; it must be a file that"
                    f" only its owner can read: chmod 600 {path}"
                )
            token = stream.read(4096).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read the token file {path}: {error}") from error
    return _checked(token, f"token file {path}")


def tokens_match(given: str, expected: str) -> bool:
    """Whether a client's token is the server's, in a time that tells nothing about it."""
    return hmac.compare_digest(given.encode(), expected.encode())


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only; names but localhost are not."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def server_tls(certificate_file: str, private_key_file: str) -> ssl.SSLContext | None:
    """TLS of a server, None without files.

    Raises:
        ConfigurationError: only one of the two files, or files that cannot be used.
    """
    if not certificate_file and not private_key_file:
        return None
    if not certificate_file or not private_key_file:
        raise ConfigurationError(
            "TLS needs a certificate file and a private key file; only one of them was given"
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate_file, private_key_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"cannot use the certificate {certificate_file} with the key {private_key_file}:"
            f" {error}"
        ) from error
    return context


def client_tls(ca_file: str = "") -> ssl.SSLContext:
    """TLS of a client: certificate and host name are always checked.

    Args:
        ca_file: certificates to trust; empty = those of the system.

    Raises:
        ConfigurationError: the file cannot be used.
    """
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"cannot use the certificates of {ca_file}: {error}") from error


def _checked(token: str, where: str) -> str:
    if len(token) < MIN_TOKEN_CHARS or not token.isascii() or not token.isprintable():
        raise ConfigurationError(
            f"the {where} holds {len(token)} characters; expected a token of at least"
            f" {MIN_TOKEN_CHARS} printable ASCII characters, such as"
            " `python3 -c 'import secrets; print(secrets.token_urlsafe())'` prints"
        )
    return token
