"""A hub publishes, a device takes: two real backbones, the real runtime, real TUF metadata, a folder between them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

pytest.importorskip("tuf")

from edge import Engine
from edge.engine.judging import compare
from edge.engine.releasing import Releases
from edge.errors import BadBackbone, BadRelease, Conflict, NotTrained
from edge.sync.releases.place import Place
from edge.sync.remotes.catalogue import open_remote
from trainer.releases.keys import ROLES, load_keys, make_keys
from trainer.releases.publish import make_release, upload
from trainer.releases.repository import Repository

SMALL, LARGE = "efficientnet-lite0-160", "efficientnet-lite0-224"


def filled(folder, config, photographs, backbone, grounds=("brick", "grass"), part="taught", limit=10):
    engine = Engine.open(folder, backbone=backbone, config=config)
    for ground in grounds:
        engine.add(sorted((photographs / part / ground).iterdir())[:limit], concepts=[ground])
    engine.create_model("ground", list(grounds), mutually_exclusive=True).train().wait(120)
    return engine


class Hub:
    """A workstation with a store, keys, a repository, and the remote it publishes to."""

    def __init__(self, folder, engine):
        self.engine = engine
        make_keys(folder / "keys", {"root": 2, "targets": 1, "online": 1}, None)
        self.keys = {role: load_keys(folder / "keys", role, None) for role in ROLES}
        self.repository = Repository(folder / "repository", datetime.now(UTC))
        self.repository.create(self.keys, threshold=2)
        (folder / "remote").mkdir()
        self.place = Place(open_remote(str(folder / "remote")))

    def publish(self, **options):
        made = make_release(self.engine, self.repository, self.keys, **options)
        upload(self.repository, self.place.put)
        return made


@pytest.fixture
def hub(tmp_path, config, photographs):
    with filled(tmp_path / "hub", config, photographs, LARGE) as engine:
        yield Hub(tmp_path, engine)


@pytest.fixture
def device(tmp_path, config, photographs):
    with filled(tmp_path / "device", config, photographs, SMALL, part="held-out", limit=6) as engine:
        yield engine


@pytest.fixture
def releases(device, hub):
    found = Releases(device)
    found.trust.establish(hub.repository.root())
    return found


def test_a_device_switches_backbone_and_heads_together_and_back(releases, hub, device, photographs):
    picture = min((photographs / "held-out" / "brick").iterdir())
    before = device.model("ground").predict(picture)
    hub.publish(notes="better eyes")
    found = releases.check(hub.place.fetch)
    assert (found.number, found.notes, found.newer) == (1, "better eyes", True)
    assert found.bytes > 1_000_000
    outcome = releases.apply(hub.place.fetch)
    assert outcome.applied, outcome.reason
    assert outcome.computed == 12
    assert device.backbone_name == LARGE
    assert device.model("ground").predict(picture).concepts[0].id == "brick"
    assert releases.check(hub.place.fetch).newer is False
    with pytest.raises(Conflict, match="in use already"):
        releases.apply(hub.place.fetch)
    assert releases.rollback() is None
    assert device.backbone_name == SMALL
    assert device.model("ground").predict(picture) == before


def test_annotations_and_pictures_are_what_they_were(releases, hub, device):
    before = device.inputs()
    hub.publish()
    releases.apply(hub.place.fetch)
    assert device.inputs() == before


def test_models_of_the_device_alone_are_trained_under_the_new_backbone(releases, hub, device):
    device.create_model("own", ["brick"]).train().wait(60)
    hub.publish()
    outcome = releases.apply(hub.place.fetch)
    assert {one.model: one.choice for one in outcome.judgements}["own"] == "trained here"
    assert device.model("own").in_use.backbone == LARGE


def test_a_release_that_is_worse_here_stays_out_and_says_why(releases, hub, device):
    """The hub was taught the wrong way round."""
    for one in hub.engine.inputs():
        shown = [each.concept_id for each in one.annotations if each.value]
        hub.engine.annotate(one.id, [name for name in ("brick", "grass") if name not in shown], shown)
    hub.engine.model("ground").train().wait(60)
    hub.engine.use_backbone(SMALL)
    hub.engine.model("ground").train().wait(60)
    hub.publish()
    outcome = releases.apply(hub.place.fetch)
    assert not outcome.applied
    assert "ground" in outcome.reason and "before" in outcome.reason
    assert device.backbone_name == SMALL
    assert releases.check(hub.place.fetch).refused == outcome.reason
    assert not releases.worth_trying(releases.check(hub.place.fetch))
    device.annotate(device.inputs()[0].id, clear=["brick"])
    assert releases.worth_trying(releases.check(hub.place.fetch)), "with other annotations it may be another answer"


def test_a_head_is_not_judged_by_pictures_it_was_trained_on(releases, hub, photographs):
    """The hub has the device's pictures with wrong labels: by heart it would be right about its own mistakes."""
    hub.engine.use_backbone(SMALL)
    for ground, other in (("brick", "grass"), ("grass", "brick")):
        hub.engine.add(
            sorted((photographs / "held-out" / ground).iterdir())[:6], concepts=[ground], not_concepts=[other]
        )
    hub.engine.model("ground").train().wait(60)
    hub.publish()
    outcome = releases.apply(hub.place.fetch)
    [judgement] = outcome.judgements
    assert judgement.pictures == 12
    assert judgement.choice == "released"


def test_a_new_model_of_the_hub_arrives(releases, hub, device):
    hub.engine.use_backbone(SMALL)
    hub.engine.create_model("walls", ["brick"]).train().wait(60)
    hub.engine.model("ground").train().wait(60)
    hub.publish()
    releases.apply(hub.place.fetch)
    assert device.model("walls").in_use is not None


def test_a_model_that_has_more_concepts_here_is_kept(releases, hub, device, photographs):
    device.add(sorted((photographs / "taught" / "gravel").iterdir())[:6], concepts=["gravel"])
    device.model("ground").add_concepts(["gravel"])
    device.model("ground").train().wait(60)
    hub.engine.use_backbone(SMALL)
    hub.engine.model("ground").train().wait(60)
    hub.publish()
    outcome = releases.apply(hub.place.fetch)
    assert [(one.model, one.choice) for one in outcome.judgements] == [("ground", "kept")]
    assert "gravel" in device.model("ground").head()[1].concepts


def test_what_was_annotated_after_a_training_is_not_released_as_unseen(hub, photographs):
    hub.engine.add(min((photographs / "held-out" / "brick").iterdir()), concepts=["brick"])
    with pytest.raises(Conflict, match="train it again"):
        hub.publish()
    assert hub.publish(as_is=True).number == 1


def test_a_model_that_was_never_trained_is_not_released(hub):
    hub.engine.create_model("empty", ["brick"])
    with pytest.raises(NotTrained):
        hub.publish(models=["empty"])


def test_another_backbone_under_a_known_name_is_refused(releases, hub, device):
    hub.publish()
    target = device.store.path / "releases" / "backbones"
    target.mkdir(parents=True)
    from edge.backbone.catalogue import folders

    packaged = folders(device.config)[-1]
    card = (packaged / f"{SMALL}.toml").read_text().replace(SMALL, LARGE)
    (target / f"{LARGE}.toml").write_text(card)
    (target / f"{LARGE}.tflite").write_bytes((packaged / f"{SMALL}.tflite").read_bytes())
    with pytest.raises(BadRelease, match="another name"):
        releases.apply(hub.place.fetch)


def test_a_machine_that_sees_otherwise_than_the_hub_refuses_the_backbone(releases, hub, device, monkeypatch):
    from edge.backbone import catalogue

    hub.publish()
    monkeypatch.setattr(catalogue, "folders", lambda config: tuple(
        one for one in original(config) if (one / f"{LARGE}.toml").exists() is False or "releases" in str(one)
    ))  # fmt: skip
    monkeypatch.setattr("edge.engine.releasing.golden_agreement", lambda *_: (0.5, 0.99, "a runtime"))
    with pytest.raises(BadBackbone, match="other embeddings here"):
        releases.apply(hub.place.fetch)
    assert device.backbone_name == SMALL
    assert not list((device.store.path / "releases" / "backbones").glob("*.toml"))


from edge.backbone.catalogue import folders as original  # noqa: E402 what the test above replaces


def test_two_devices_programs_do_not_apply_at_once(releases, hub):
    hub.publish()
    with releases._alone(), pytest.raises(Conflict, match="at this moment"):
        Releases(releases._engine).apply(hub.place.fetch)


def test_a_second_release_is_judged_against_the_first_ones_head(releases, hub, photographs):
    hub.publish()
    assert releases.apply(hub.place.fetch).applied
    assert set(releases._released_before()) == {"ground"}
    for ground in ("brick", "grass"):
        hub.engine.add(sorted((photographs / "held-out" / ground).iterdir())[6:], concepts=[ground])
    hub.engine.model("ground").train().wait(60)
    hub.publish()
    assert releases.apply(hub.place.fetch).number == 2
    assert releases.rollback() == 1


def test_interrupted_between_fetching_and_switching_it_goes_on(releases, hub, device, monkeypatch):
    hub.publish()
    monkeypatch.setattr(Releases, "_switch", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        releases.apply(hub.place.fetch)
    monkeypatch.undo()
    assert device.backbone_name == SMALL
    outcome = releases.apply(hub.place.fetch)
    assert outcome.applied
    assert outcome.computed == 0, "embeddings that were computed are not computed again"


def test_signatures_that_have_expired_are_renewed_by_signing(hub):
    later = Repository(hub.repository.folder, datetime.now(UTC) + timedelta(days=200))
    assert set(later.sign(hub.keys).renewed) == {"snapshot", "timestamp"}


def test_comparisons_count_every_picture_the_same():
    found = compare({"a": (1, 1), "b": (1, 2), "c": (0, 1)}, {"a": (1, 1), "b": (2, 2), "d": (1, 1)})
    assert (found.pictures, found.before, found.after) == (2, 0.75, 1.0)
    assert compare({}, {}).pictures == 0
    assert np.isfinite(compare({"a": (0, 0)}, {"a": (1, 1)}).before)
