"""Logs never show secrets."""

from demeter.runtime.logging import mask_secrets


def test_fields_named_as_secrets_are_masked() -> None:
    event = mask_secrets(None, "info", {"event": "x", "encryption_key": b"k", "Password": "p", "key_version": 2})
    assert event == {"event": "x", "encryption_key": "********", "Password": "********", "key_version": 2}
