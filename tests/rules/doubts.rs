//! Whatever happens to the volume of a kept generation without us puts it in doubt, until somebody accepts it.

use crate::site::{Site, code, round, steps, volume};
use ecdeck::model::codes::Code;
use ecdeck::model::doubt::to_keep;
use ecdeck::model::fingerprint::Fingerprint;
use ecdeck::model::identity::VolumeId;
use ecdeck::model::plan::verifiable;
use ecdeck::model::records::{Change, EntityChange, GenerationState};
use ecdeck::model::request::Action;
use ecdeck::model::session::{CopyKind, Direction, Phase, Status};
use ecdeck::model::step::{PlanStep, SetGenerationStateStep};
use ecdeck::model::units::{Blocks, Timestamp, Version};
use ecdeck::model::verification::due;

fn accept(volume: VolumeId, version: Version) -> Action {
    Action::AcceptGeneration { volume, version }
}

/// A valid generation on a suspended session.
fn kept() -> (Site, VolumeId, VolumeId, Version) {
    let (mut site, source, [target, ..]) = round();
    site.session(source, target, Status::Suspended, Phase::Equivalent);
    let version = site.generation(source, target);
    (site, source, target, version)
}

/// What the engine would write into the catalogue.
fn marked(site: &Site) -> Vec<(VolumeId, Version, GenerationState)> {
    to_keep(&site.snapshot(), &site.records)
}

fn ways() -> Vec<(&'static str, Site)> {
    let mut all = Vec::new();
    let mut way = |name, change: &dyn Fn(&mut Site, VolumeId, VolumeId)| {
        let (mut site, source, target, _) = kept();
        change(&mut site, source, target);
        all.push((name, site));
    };
    let other = volume(0, 0x77);
    way("missing", &|site, _, target| site.volumes.retain(|volume| volume.id != target));
    way("another size", &|site, _, target| {
        site.volumes.iter_mut().find(|volume| volume.id == target).unwrap().blocks = Blocks(1);
    });
    for kind in [CopyKind::Ec, CopyKind::Opc, CopyKind::SnapOpc, CopyKind::Other] {
        way("a foreign copy onto it", &|site, _, target| {
            site.foreign(other, target, Status::Active, Phase::Copying).pair.kind = kind;
        });
    }
    way("a foreign copy that is suspended by now", &|site, _, target| {
        site.foreign(other, target, Status::Suspended, Phase::Equivalent);
    });
    way("a foreign reversed copy from it", &|site, _, target| {
        site.foreign(target, other, Status::Active, Phase::Copying).direction = Direction::Reversed;
    });
    way("resumed by hand", &|site, _, _| site.sessions[0].status = Status::Active);
    way("a host's write", &|site, _, _| site.sessions[0].target_written = Some(true));
    way("an array error", &|site, _, _| site.sessions[0].status = Status::ErrorSuspended);
    all
}

#[test]
fn what_happens_to_a_kept_generations_volume_is_kept_as_a_doubt() {
    for (name, site) in ways() {
        let marks = marked(&site);
        assert!(matches!(&marks[..], [(.., GenerationState::InDoubt(_))]), "{name}: {marks:?}");
        let (id, version, _) = marks[0].clone();
        assert_eq!(code(site.plan(accept(id, version))), Code::STILL_IN_DOUBT, "{name}: the cause lasts");
    }
}

#[test]
fn all_doubts_of_a_site_are_accepted_by_its_name_and_those_whose_cause_lasts_stay() {
    let (mut site, source, [first, second, _]) = round();
    for target in [first, second] {
        site.generation(source, target);
    }
    let all = || Action::AcceptAll { volumes: vec![source] };
    assert_eq!(code(site.plan(all())), Code::NOT_IN_DOUBT);
    for generation in site.records.generations.values_mut() {
        generation.state = GenerationState::InDoubt("the catalogue was put back".to_owned());
    }
    let plan = site.plan(all()).unwrap();
    let set = |version| {
        let state = GenerationState::Valid;
        PlanStep::SetGenerationState(SetGenerationStateStep { volume: source, version, state })
    };
    assert_eq!(steps(&plan), [set(Version(1)), set(Version(2))]);
    assert_eq!(plan.confirmation().unwrap().name, "test", "the site's name");
    assert_eq!(plan.items()[0].claims, [source, first, second]);
    site.volumes.retain(|volume| volume.id != second);
    let plan = site.plan(all()).unwrap();
    assert_eq!(steps(&plan), [set(Version(1))]);
    assert_eq!(crate::site::notices(&plan), [Code::STILL_IN_DOUBT]);
    site.volumes.retain(|volume| volume.id != first);
    assert_eq!(code(site.plan(all())), Code::STILL_IN_DOUBT);
}

#[test]
fn what_harms_no_byte_of_it_is_no_doubt() {
    let (site, ..) = kept();
    assert_eq!(marked(&site), []);
    let (mut site, _, target, _) = kept();
    site.foreign(target, volume(0, 0x77), Status::Active, Phase::Copying).pair.kind = CopyKind::Opc;
    assert_eq!(marked(&site), [], "a copy away from it, to a tape");
    let (mut site, ..) = kept();
    site.sessions[0].direction = Direction::Reversed;
    assert_eq!(marked(&site), [], "it is the source of a restore by hand");
    let (mut site, ..) = kept();
    site.sessions.clear();
    assert_eq!(marked(&site), [], "its session is gone, the volume is not");
    let (mut site, source, target, _) = kept();
    site.sessions[0].status = Status::Active;
    site.claim(&[source, target]);
    assert_eq!(marked(&site), [], "an operation of ours is at work there");
}

#[test]
fn a_doubt_outlasts_its_cause_until_an_administrator_accepts_the_generation_by_its_volumes_name() {
    for (name, harmed) in ways() {
        let (mut site, source, _, version) = kept();
        for (transaction_volume, version, state) in marked(&harmed) {
            site.records
                .apply(&Change::Entity(EntityChange::SetGenerationState { transaction_volume, version, state }))
                .unwrap();
        }
        let shown = site.snapshot().generations[0].state.clone();
        assert!(matches!(shown, GenerationState::InDoubt(_)), "{name}: the cause is gone, the doubt is not");
        let plan = site.plan(accept(source, version)).expect(name);
        let valid = PlanStep::SetGenerationState(SetGenerationStateStep {
            volume: source,
            version,
            state: GenerationState::Valid,
        });
        assert_eq!(steps(&plan), [valid]);
        assert_eq!(plan.confirmation().unwrap().name, "ora01");
    }
    let (site, source, _, version) = kept();
    assert_eq!(code(site.plan(accept(source, version))), Code::NOT_IN_DOUBT);
}

#[test]
fn only_what_is_fingerprinted_and_can_be_read_is_verified() {
    let (mut site, source, target, version) = kept();
    let refusal =
        |site: &Site| verifiable(&site.snapshot(), source, version).map(|kept| kept.version).map_err(|no| no.code);
    assert_eq!(refusal(&site), Err(Code::NOT_FINGERPRINTED));
    let fingerprint =
        Box::new(Fingerprint { blake3: "ab".into(), at: Timestamp(1), millis: 1, verified: None, practised: None });
    let change = EntityChange::KeepFingerprint { transaction_volume: source, version, fingerprint, leaves: None };
    site.put(&Change::Entity(change));
    assert_eq!(refusal(&site), Ok(version));
    site.capabilities.reads_bytes = false;
    assert_eq!(refusal(&site), Err(Code::BYTES_NOT_READABLE));
    site.capabilities.reads_bytes = true;
    site.claim(&[target]);
    assert_eq!(refusal(&site), Err(Code::HELD_BY_OTHER));
}

#[test]
fn what_is_in_doubt_copied_onto_or_claimed_is_not_fingerprinted() {
    let next = |site: &Site| due(&site.snapshot(), &site.records, |_| false).map(|kept| kept.version);
    let (site, source, target, version) = kept();
    assert_eq!(next(&site), Some(version));
    assert_eq!(due(&site.snapshot(), &site.records, |key| *key == (source, version)), None, "it is tried later");
    let without = |change: &dyn Fn(&mut Site)| {
        let (mut site, ..) = kept();
        change(&mut site);
        next(&site)
    };
    let doubt = GenerationState::InDoubt("somebody wrote".to_owned());
    let doubtful = EntityChange::SetGenerationState { transaction_volume: source, version, state: doubt };
    assert_eq!(without(&|site| site.put(&Change::Entity(doubtful.clone()))), None);
    assert_eq!(without(&|site| site.claim(&[target])), None);
    assert_eq!(without(&|site| site.capabilities.reads_bytes = false), None);
    assert_eq!(without(&|site| site.sessions[0].status = Status::Active), None);
}
