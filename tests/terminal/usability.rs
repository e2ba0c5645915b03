//! The ten commonest tasks on a real terminal: each from the main screen as it opens, none with more than eight keys.

use crate::pty::Pty;
use crate::test_site::{PROGRAM, TestSite};
use ecdeck::engine::now;

const SCREEN: (u16, u16) = (120, 40);
/// More keys than this are too many for what is done every day.
const MOST_KEYS: usize = 8;

/// A person at a console, whose keys are counted.
struct Person {
    pty: Pty,
    keys: usize,
}

impl Person {
    /// In front of a console that has just opened.
    fn new(test_site: &TestSite) -> Self {
        let zone = zone_of_noon();
        let environment = [("ECDECK_HOME", test_site.path().to_str().unwrap()), ("TZ", zone.as_str())];
        let pty = Pty::run(&[PROGRAM, "--demo"], &environment, SCREEN);
        pty.until("demo-ora01");
        Self { pty, keys: 0 }
    }

    /// Presses a key, and looks until the screen shows what it did.
    #[track_caller]
    fn press(&mut self, key: &str, shows: &str) -> &mut Self {
        self.pty.types(key);
        self.keys += 1;
        self.pty.until(shows);
        self
    }

    /// Moves to a volume of the table, one key a row.
    #[track_caller]
    fn down_to(&mut self, name: &str) -> &mut Self {
        while self.keys < MOST_KEYS {
            if self.pty.look(selected).contains(name) {
                return self;
            }
            // A frame may be half drawn: what is not seen is not pressed on.
            self.pty.until("▌  demo-");
            let before = self.pty.look(selected);
            if before.is_empty() {
                continue;
            }
            self.pty.types("j");
            self.keys += 1;
            self.pty.until_gone(&format!("▌  {}", before.split_whitespace().nth(1).unwrap_or_default()));
        }
        panic!("{name} is not within {MOST_KEYS} rows:\n{}", self.pty.text());
    }

    /// Agrees to the plan that is shown.
    #[track_caller]
    fn agrees(&mut self) -> &mut Self {
        self.pty.until("Y run");
        self.pty.types("Y");
        self.keys += 1;
        // What came of it may be said so soon that the frame in between is never drawn.
        self.pty.until_gone("Y run");
        self
    }

    #[track_caller]
    fn did(&self, task: &str) {
        assert!(self.keys <= MOST_KEYS, "{task}: {} keys", self.keys);
    }
}

/// A time zone in which it is noon: in the hours after the demonstration's backups less is overdue, and other rows are on top.
fn zone_of_noon() -> String {
    const HOUR: i64 = 3_600_000;
    format!("NOON{}", now().0 / HOUR % 24 - 12)
}

/// The row with the cursor.
fn selected(screen: &vt100::Screen) -> String {
    let mut rows = screen.rows(0, SCREEN.0);
    // A bar ends in the same sign.
    rows.find(|row| row.trim_start_matches(['│', ' ']).starts_with('▌')).unwrap_or_default().replace('│', " ")
}

#[test]
fn the_ten_commonest_tasks_take_at_most_eight_keys() {
    let test_site = TestSite::new();

    let mut person = Person::new(&test_site);
    person.pty.until("the path to the other box is lost");
    person.press("\r", "What happened").did("find what is wrong");

    let mut person = Person::new(&test_site);
    person.press("v", "newest first").did("see what happened since yesterday");

    let mut person = Person::new(&test_site);
    person.press("*", "10 marked").press("b", "Backup: 10 volumes").did("see what the backup of all volumes releases");
    person.press("G", "Not these");

    let mut person = Person::new(&test_site);
    person.press("n", "demo-dwh").press("x", "Forced stop: demo-dwh").agrees().did("end a dead session");
    // Trouble that is over leaves the top of the table.
    person.pty.until("demo-dwh     96 MiB  · none");

    let mut person = Person::new(&test_site);
    person.down_to("demo-files").press("r", "Resume synchronization: demo-files").agrees().did("resume one");
    person.pty.until("demo-files   48 MiB  ◆ equivalent");

    let mut person = Person::new(&test_site);
    person.press("/", "Enter keeps").press("o", "/o").press("r", "/or").press("a", "/ora").press("\r", "2 of 10");
    person.press("*", "2 marked").press("b", "Backup: 2 volumes").agrees().did("back up several volumes");

    let mut person = Person::new(&test_site);
    person.press("e", "Policy: ").press("3", "    3    ").press("\r", "Set the policy").agrees().did("change a policy");

    let mut person = Person::new(&test_site);
    person.press("3", "valid").press("p", "Reason:").press("t", "Reason: t").press("\r", "hold v").agrees();
    person.did("hold a generation");

    let mut person = Person::new(&test_site);
    person.press("3", "held: t").press("i", "held            t").did("find who holds a generation, and why");

    let mut person = Person::new(&test_site);
    person.pty.types("q");
    person.keys += 1;
    assert_eq!(person.pty.end(), 0);
    person.did("leave");
}
