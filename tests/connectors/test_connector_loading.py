"""Finding connectors by name."""

import pytest

import connectors


def test_what_is_available_can_be_loaded() -> None:
    for name in connectors.available():
        assert connectors.load(name).name == name


def test_the_rooms_own_files_are_no_connectors() -> None:
    assert not {"answers", "auth", "base", "event", "mapping", "settings"} & set(connectors.available())


@pytest.mark.parametrize(
    "name", ["nonesuch", "base", "", "Webhook", "../webhook", "webhook.x", "__init__", "os"]
)
def test_an_unknown_name_is_answered_with_the_names_there_are(name: str) -> None:
    with pytest.raises(connectors.UnknownConnector, match="ga4, mixpanel, slack, webhook"):
        connectors.load(name)
