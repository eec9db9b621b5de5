"""Where the simulator is, and the credential with which every client talks to it."""

import os

URL = os.environ["SIMULATOR_URL"]
CA = os.environ["SIMULATOR_CA"]
SUBSCRIPTION = os.environ["SIMULATOR_SUBSCRIPTION"]
TENANT = os.environ["SIMULATOR_TENANT"]
SCRATCH = os.environ["SIMULATOR_SCRATCH"]
CLIENT = "0a1f7c1e-0d52-4c8b-9f36-2b7d5f0e9a99"
SECRET = "simulated"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg"

os.environ["REQUESTS_CA_BUNDLE"] = CA
os.environ["SSL_CERT_FILE"] = CA


def credential():
    """A client secret, exchanged at the simulator's own Entra."""
    from azure.identity import ClientSecretCredential

    return ClientSecretCredential(
        TENANT, CLIENT, SECRET, authority=URL, disable_instance_discovery=True
    )


class Checks:
    """Counts what was checked."""

    def __init__(self):
        self.count = 0

    def equal(self, actual, wanted, what):
        self.count += 1
        assert actual == wanted, f"{what}: {actual!r} instead of {wanted!r}"

    def true(self, fact, what):
        self.count += 1
        assert fact, what

    def refused(self, call, status, code, what):
        from azure.core.exceptions import HttpResponseError

        self.count += 1
        try:
            call()
        except HttpResponseError as error:
            found = (error.status_code, error.error.code if error.error else None)
            assert found == (status, code), f"{what}: {found} instead of {(status, code)}"
            assert error.error.message, f"{what}: without a message"
        else:
            raise AssertionError(f"{what}: not refused")
