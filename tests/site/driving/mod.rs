//! Random driving of the real program: scripts at the same time, hosts that write, processes that are killed and stopped, a
//! full disk, clocks that step. A model that knows nothing of the program says what must hold whenever it is quiet.
//!
//! `ECDECK_DRIVING`: seconds; `ECDECK_DRIVING_SEED`: what is drawn first, printed when it fails.

mod model;
mod site;

use crate::needs::needs;
use crate::test_site::InTime;
use site::{Clock, Site};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Seconds without the variable.
const SHORT: u64 = 5;
const SITES: u64 = 2;
/// Set for the test that runs in a namespace of its own, where it may mount.
const INSIDE: &str = "ECDECK_DRIVING_INSIDE";
/// MiB of the file system under a site: room for its volumes and its catalogue, and soon full.
const DISK: u32 = 48;

fn wanted(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Says the seed when the test fails.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("ECDECK_DRIVING_SEED={}", self.0);
        }
    }
}

/// A file system of its own under a folder, taken away at the end. Only this process and what it starts see it.
struct Disk<'a>(&'a Path);

impl<'a> Disk<'a> {
    fn mount(folder: &'a Path) -> Self {
        let options = format!("size={DISK}m,mode=0700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "none"]).arg(folder).status().unwrap();
        assert!(mounted.success());
        Self(folder)
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

#[test]
fn whatever_happens_generations_hold_what_the_volume_was_and_no_volume_is_used_twice() {
    if std::env::var_os(INSIDE).is_some() {
        return drive(true);
    }
    let Some(unshare) = needs("root").and_then(|_| needs("mount namespaces")) else {
        // Everything but the full disk.
        return drive(false);
    };
    let name = "driving::whatever_happens_generations_hold_what_the_volume_was_and_no_volume_is_used_twice";
    let output = Command::new(unshare)
        .arg("--mount")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads", "1"])
        .env(INSIDE, "1")
        .stdin(Stdio::null())
        .in_time();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    println!("{said}");
}

fn drive(may_mount: bool) {
    let seconds = wanted("ECDECK_DRIVING", SHORT);
    let clock = needs("libfaketime").map(Clock::new);
    #[expect(clippy::disallowed_methods, reason = "a test reads the clock to say when it was")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let first = wanted("ECDECK_DRIVING_SEED", now.as_secs() * SITES);
    let until = Instant::now() + Duration::from_secs(seconds);
    std::thread::scope(|scope| {
        for seed in first..first + SITES {
            let clock = clock.as_ref();
            scope.spawn(move || {
                let _seed = Seed(seed);
                one_site(seed, until, may_mount, clock);
            });
        }
    });
}

fn one_site(seed: u64, until: Instant, may_mount: bool, clock: Option<&Clock>) {
    let test_site = crate::test_site::TestSite::new();
    let disk = may_mount.then(|| Disk::mount(test_site.path()));
    let mut site = Site::new(&test_site, seed, disk.is_some(), clock);
    // One round at least, however slow the machine is.
    loop {
        site.round();
        if Instant::now() > until {
            break;
        }
    }
    site.end();
    site.report();
    site.stop();
}
