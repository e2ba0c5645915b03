//! The nights that a preview projects, played by the engine's step machines on emulated arrays, compared night by night.

use super::{Simulation, Site};
use ecdeck::model::entity_change::EntityChange;
use ecdeck::model::identity::VolumeId;
use ecdeck::model::preview::{Night, NightEnd, preview};
use ecdeck::model::records::{BackupMode, Change, Policy, TransactionVolume};
use ecdeck::model::request::{Action, Request};
use ecdeck::model::units::{Timestamp, Version};
use ecdeck::testkit::catalogue::MemoryCatalogue;
use fastrand::Rng;
use std::sync::Arc;

const NIGHTS: usize = 21;
const STEPS: usize = 2_000;

/// What a night did to one volume: the version and where it is, what was released; or that there was no backup.
type Outcome = Place<VolumeId>;
type Place<P> = (VolumeId, Option<(Version, P)>, Vec<Version>);

fn projected(night: &Night) -> Vec<Outcome> {
    let mut list: Vec<Outcome> = night
        .backups
        .iter()
        .map(|backup| match &backup.end {
            NightEnd::Kept { version, backup_volume, released, .. } => {
                let mut released: Vec<Version> = released.iter().map(|one| one.version).collect();
                released.sort_unstable();
                (backup.volume, Some((*version, *backup_volume)), released)
            }
            NightEnd::Refused { .. } => (backup.volume, None, Vec::new()),
        })
        .collect();
    list.sort();
    list
}

/// What is compared: where there is a choice between equal volumes, the box of the one that is taken.
fn seen(night: &[Outcome], exact: bool) -> Vec<Place<String>> {
    let place = |id: VolumeId| if exact { id.to_string() } else { id.box_id.to_string() };
    let one = |(id, kept, gone): &Outcome| (*id, kept.map(|(version, on)| (version, place(on))), gone.clone());
    night.iter().map(one).collect()
}

fn calm(seed: u64) -> Simulation {
    let memory = MemoryCatalogue::new();
    let site = Site::Plain { by_ccm: false };
    let mut simulation = Simulation::new(seed, None, Arc::new(memory.clone()), Some(memory), site);
    simulation.weather = super::FaultPlan::calm();
    simulation.world.heal(simulation.now);
    simulation
}

/// Policies out of the seed: few and many generations, every day or not, both modes, with guard and without.
fn draw_policies(simulation: &mut Simulation, rng: &mut Rng) {
    let alone = rng.u32(0..4) == 0;
    for (at, id) in simulation.world.sources.clone().into_iter().enumerate() {
        let mode = if rng.bool() { BackupMode::Suspend } else { BackupMode::Dissolve };
        let mut policy = Policy::new(rng.u16(1..=3), rng.u16(1..=3), mode);
        policy.reuse_oldest = rng.u32(0..3) == 0;
        // Half of two days is one night to the second: what a backup a second later may release is another question.
        policy.guard.min_interval = (policy.interval_days == 2).then_some(20 * 3_600);
        policy.guard.floor = rng.bool().then(|| rng.u16(1..=policy.generations));
        let known = simulation.engine.durable.transaction_volumes[&id].clone();
        // Some of them take no part.
        let takes_part = if alone { at == 0 } else { at != 1 || rng.u32(0..4) > 0 };
        let policy = takes_part.then_some(policy);
        let volume = TransactionVolume { policy, ..known };
        simulation.engine.set(vec![Change::Entity(EntityChange::PutTransactionVolume(volume))]);
    }
}

impl Simulation {
    /// One request to its end; `false` where it is refused.
    fn do_if_planned(&mut self, action: Action) -> bool {
        let agreed = match self.agree(Request::new(action)) {
            Ok(()) => true,
            Err(refusal) => {
                super::tell(self.now, || format!("refused: {refusal}"));
                false
            }
        };
        assert!(self.go(STEPS).unwrap() < STEPS, "an operation does not end");
        self.world.arrays.settle();
        agreed
    }

    /// One night, as an operator's timers would have it: a start of all that are due, then a backup of all.
    fn play(&mut self, due: &[VolumeId], together: bool) -> Vec<Outcome> {
        let before = self.engine.durable.clone();
        let volumes = due.to_vec();
        let is_live = |simulation: &Self, id: VolumeId| simulation.world.live_of(id, |_| true) > 0;
        let idle: Vec<VolumeId> = volumes.iter().copied().filter(|id| !is_live(self, *id)).collect();
        let started =
            idle.is_empty() || self.do_if_planned(Action::Start { volumes: idle, targets: Vec::new(), together });
        let ready: Vec<VolumeId> = volumes.iter().copied().filter(|id| is_live(self, *id)).collect();
        if !ready.is_empty() && (started || !together) {
            self.do_if_planned(Action::Backup { volumes: ready, mode: None, together });
        }
        let after = &self.engine.durable;
        let mut list: Vec<Outcome> = volumes
            .into_iter()
            .map(|id| {
                let is_new = |version: &Version| !before.generations.contains_key(&(id, *version));
                let new = after.generations_of(id).find(|kept| is_new(&kept.version));
                let kept = new.map(|kept| (kept.version, kept.backup_volume));
                let gone = before.generations_of(id).map(|kept| kept.version);
                let gone = gone.filter(|version| !after.generations.contains_key(&(id, *version))).collect();
                (id, kept, gone)
            })
            .collect();
        list.sort();
        list
    }
}

/// The preview of a site, then its nights. Returns how many backups there were, releases, and nights without a volume.
fn compare(seed: u64) -> (usize, usize, usize) {
    let mut rng = Rng::with_seed(seed);
    let mut simulation = calm(seed);
    draw_policies(&mut simulation, &mut rng);
    if rng.u32(0..3) == 0 {
        let two = simulation.world.sources[..2].to_vec();
        simulation.do_if_planned(Action::AddToSet { name: "erp".parse().unwrap(), volumes: two });
    }
    simulation.poll().unwrap();
    let snapshot = simulation.engine.snapshot(&simulation.world, simulation.now, &[]);
    let volume = simulation.world.sources[0];
    let preview = preview(&snapshot, volume, NIGHTS);
    let (mut backups, mut releases, mut dry) = (0, 0, 0);
    for (number, night) in preview.nights.iter().enumerate() {
        simulation.now = simulation.now.max(night.at);
        let expected = projected(night);
        let set = snapshot.volume_sets.first().map(|set| set.members.clone()).unwrap_or_default();
        let due: Vec<VolumeId> = night.backups.iter().map(|backup| backup.volume).collect();
        let (of_set, alone): (Vec<VolumeId>, Vec<VolumeId>) = due.into_iter().partition(|id| set.contains(id));
        let mut played = if of_set.is_empty() { Vec::new() } else { simulation.play(&of_set, true) };
        if !alone.is_empty() {
            played.extend(simulation.play(&alone, false));
        }
        played.sort();
        // Which of several equal unused volumes a start takes depends on the order of that night's releases.
        let exact = preview.volumes.len() == 1;
        assert_eq!(seen(&played, exact), seen(&expected, exact), "seed {seed}, night {number}");
        backups += expected.iter().filter(|(_, kept, _)| kept.is_some()).count();
        releases += expected.iter().map(|(_, _, released)| released.len()).sum::<usize>();
        dry += usize::from(night.without_volume().next().is_some());
    }
    (backups, releases, dry)
}

#[test]
fn the_nights_of_a_preview_are_the_nights_that_come() {
    let rounds = std::env::var("ECDECK_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(40);
    let mut sums = (0, 0, 0);
    for seed in 0..rounds {
        let (backups, releases, dry) = compare(seed);
        sums = (sums.0 + backups, sums.1 + releases, sums.2 + dry);
    }
    assert!(sums.0 > 0 && (rounds < 20 || (sums.1 > 0 && sums.2 > 0)), "nothing was compared: {sums:?}");
}

#[test]
fn a_preview_follows_what_is_there_already() {
    let mut simulation = calm(3);
    let volume = simulation.world.sources[0];
    let policy = Some(Policy::new(2, 1, BackupMode::Suspend));
    let known = simulation.engine.durable.transaction_volumes[&volume].clone();
    let known = TransactionVolume { policy, ..known };
    simulation.engine.set(vec![Change::Entity(EntityChange::PutTransactionVolume(known))]);
    for _ in 0..2 {
        simulation.play(&[volume], false);
        simulation.now = simulation.now.plus_millis(Timestamp::DAY);
    }
    // Copying at the moment: it is equivalent by the night.
    simulation
        .agree(Request::new(Action::Start { volumes: vec![volume], targets: Vec::new(), together: false }))
        .unwrap();
    simulation.go(STEPS).unwrap();
    simulation.poll().unwrap();
    let snapshot = simulation.engine.snapshot(&simulation.world, simulation.now, &[]);
    let night = &preview(&snapshot, volume, 1).nights[0];
    assert!(night.at > simulation.now, "the next night is after now");
    let expected: Vec<Outcome> = projected(night).into_iter().filter(|(id, ..)| *id == volume).collect();
    assert_eq!(expected[0].2, [Version(1)], "the third backup releases the first of two");
    simulation.now = night.at;
    simulation.world.arrays.settle();
    assert_eq!(simulation.play(&[volume], false), expected);
}
