//! Screens as snapshots, with their styles: every pane and state that an operator can come to.

use super::{Desk, grammar};
use crate::console::app::App;
use crate::console::fixture::{self, NOW};
use crate::console::format::Clock;
use crate::console::glyphs::GlyphMode;
use crate::console::key_table::KeyMap;
use crate::console::keys::Key;
use crate::console::messages::Msg;
use crate::console::theme::ThemeName;
use crate::console::types::{Link, Settings};
use crate::model::plan::plan;
use crate::model::snapshot::Reach;
use jiff::tz::TimeZone;
use std::sync::Arc;

const SMALL: (u16, u16) = (80, 24);
const MIDDLE: (u16, u16) = (120, 40);
const LARGE: (u16, u16) = (200, 60);

fn desk(size: (u16, u16)) -> Desk {
    Desk::new(Settings::default(), size)
}

/// A screen's name and the keys that lead to it.
type Picture = (&'static str, fn(&mut Desk));

/// Snapshots of the same in each size: small, middle and large.
macro_rules! all_sizes {
    ($name:literal, $steps:expr) => {{
        let steps: fn(&mut Desk) = $steps;
        let names = [concat!($name, "-80x24"), concat!($name, "-120x40"), concat!($name, "-200x60")];
        for (size, name) in [SMALL, MIDDLE, LARGE].into_iter().zip(names) {
            let mut desk = desk(size);
            steps(&mut desk);
            insta::assert_snapshot!(name, desk.screen());
        }
    }};
}

#[test]
fn the_main_screen() {
    all_sizes!("main", |_| {});
}

#[test]
fn each_pane_with_the_focus() {
    all_sizes!("copies", |desk| {
        desk.types("1jj");
    });
    all_sizes!("pool", |desk| {
        desk.types("2jj");
    });
    all_sizes!("generations", |desk| {
        desk.at("demo-ora01").types("3");
    });
    all_sizes!("generations-attention", |desk| {
        desk.at("demo-files").types("3");
    });
    all_sizes!("events", |desk| {
        desk.types("4jj");
    });
    all_sizes!("all-volumes", |desk| {
        desk.types("a1");
    });
}

#[test]
fn the_screen_of_the_nights_to_come() {
    all_sizes!("nights", |desk| {
        desk.at("demo-ora02").types("wjj");
    });
    all_sizes!("nights-dry", |desk| {
        desk.at("demo-vg01").types("w");
    });
}

#[test]
fn the_screen_of_all_events() {
    all_sizes!("all-events", |desk| {
        desk.types("vjj");
    });
    all_sizes!("all-events-filter", |desk| {
        desk.types("v/ora");
    });
    for (theme, name) in [
        (ThemeName::Light, "all-events-light"),
        (ThemeName::Sixteen, "all-events-sixteen"),
        (ThemeName::SixteenDark, "all-events-sixteen-dark"),
        (ThemeName::SixteenLight, "all-events-sixteen-light"),
    ] {
        let mut desk = Desk::new(Settings { theme, ..Settings::default() }, SMALL);
        desk.types("vj");
        insta::assert_snapshot!(name, desk.screen());
    }
}

#[test]
fn the_plan_dialog() {
    all_sizes!("plan", |desk| {
        desk.at("demo-ora02").types("b");
    });
    all_sizes!("plan-batch", |desk| {
        desk.types("*s");
    });
    all_sizes!("plan-destroys", |desk| {
        desk.at("demo-ora02").types("3jd").types("Y").types("v1");
    });
    all_sizes!("plan-commands", |desk| {
        desk.at("demo-ora02").types("bi");
    });
    all_sizes!("plan-cancel", |desk| {
        desk.at("demo-ora02").types("c");
    });
    all_sizes!("plan-changed", |desk| {
        desk.at("demo-vg01").types("s");
        desk.site(|site| {
            let spare = site.pool.iter_mut().find(|view| view.volume.id == fixture::one(0x2E)).unwrap();
            spare.volume.id = fixture::two(0x2B);
            site.pool.sort_by_key(|view| view.volume.id);
        });
        desk.answer();
    });
}

#[test]
fn the_refusal_dialog() {
    all_sizes!("refused", |desk| {
        desk.at("demo-erp").types("s");
    });
    all_sizes!("refused-copying", |desk| {
        desk.at("demo-ora01").types("b");
    });
}

#[test]
fn the_way_out_of_red_rows() {
    all_sizes!("way-out-error", |desk| {
        desk.at("demo-dwh").keys([Key::Enter]);
    });
    all_sizes!("way-out-halted", |desk| {
        desk.at("demo-crm").keys([Key::Enter]);
    });
}

#[test]
fn details_and_help() {
    all_sizes!("details", |desk| {
        desk.at("demo-ora01").types("i");
    });
    all_sizes!("details-backup-volume", |desk| {
        desk.types("2i");
    });
    all_sizes!("help", |desk| {
        desk.types("?");
    });
    all_sizes!("help-end", |desk| {
        desk.types("?G");
    });
    all_sizes!("event", |desk| {
        desk.types("4").keys([Key::Enter]);
    });
    all_sizes!("hold", |desk| {
        desk.at("demo-ora02").types("3p").types("tape");
    });
    all_sizes!("palette", |desk| {
        desk.at("demo-ora01").types(":s").keys([Key::Down]);
    });
    all_sizes!("command-line", |desk| {
        desk.types(":backup demo-ma").keys([Key::Tab]);
    });
    all_sizes!("policy", |desk| {
        desk.at("demo-ora02").types("e7").keys([Key::Down]);
    });
}

#[test]
fn the_restore_form() {
    all_sizes!("restore", |desk| {
        desk.at("demo-ora02").types("3jt").keys([Key::Tab, Key::Tab, Key::Down]);
    });
    all_sizes!("restore-until", |desk| {
        desk.at("demo-ora02").types("tsun 12:00");
    });
    all_sizes!("restore-unmounted", |desk| {
        desk.at("demo-ora02").types("t").keys([Key::Tab, Key::Tab, Key::Tab, Key::Right]);
    });
    all_sizes!("restore-plan", |desk| {
        desk.at("demo-ora02").types("t").keys([Key::Tab, Key::Tab, Key::Tab, Key::Right, Key::Enter]);
    });
}

#[test]
fn choosing_volumes() {
    all_sizes!("filter", |desk| {
        desk.types("/ora");
    });
    all_sizes!("filter-nothing", |desk| {
        desk.types("/zz").keys([Key::Enter]);
    });
    all_sizes!("problems", |desk| {
        desk.types("!");
    });
    all_sizes!("marked", |desk| {
        desk.types("  o");
    });
}

#[test]
fn a_site_with_nothing_in_it() {
    all_sizes!("empty", |desk| desk.site(|site| {
        site.transaction_volumes.clear();
        site.pool.clear();
        site.sessions.clear();
        site.generations.clear();
        site.events.clear();
        site.operations.clear();
    }));
}

#[test]
fn a_lost_engine_and_silent_arrays() {
    all_sizes!("engine-lost", |desk| desk.tell(Msg::Link(Link::Lost { since: NOW, why: "it was closed".to_owned() })));
    all_sizes!("engine-silent", |desk| {
        desk.at("demo-ora02").types("b");
        let engine = "the engine (pid 4711)".to_owned();
        desk.tell(Msg::Link(Link::Silent { since: NOW, engine }));
    });
    all_sizes!("array-silent", |desk| desk.site(|site| {
        site.arrays[0].reach = Reach::Unreachable { since: NOW, why: "no route to host".into() };
        site.arrays[1].taken_at = Some(NOW.plus_millis(-180_000));
        site.arrays[1].began = Some(crate::model::moment::Moment::at(NOW.plus_millis(-180_000)));
    }));
}

#[test]
fn before_the_first_snapshot() {
    let clock = Clock::new(NOW, TimeZone::UTC);
    let app = App::new(Settings::default(), KeyMap::default(), (plan, grammar()), clock, MIDDLE);
    let mut desk = Desk { app, snapshot: Arc::new(fixture::demo()), effects: Vec::new() };
    insta::assert_snapshot!("waiting", desk.screen());
    let why = "the engine could not be started: the disk is full".to_owned();
    desk.tell(Msg::Link(Link::Lost { since: NOW, why }));
    insta::assert_snapshot!("no-engine", desk.screen());
}

#[test]
fn other_signs_and_colours() {
    let with = |theme, glyphs| Desk::new(Settings { theme, glyphs, ..Settings::default() }, MIDDLE);
    insta::assert_snapshot!("plain-ascii", with(ThemeName::Plain, GlyphMode::Ascii).screen());
    insta::assert_snapshot!("sixteen-safe", with(ThemeName::Sixteen, GlyphMode::Safe).screen());
    insta::assert_snapshot!("light", with(ThemeName::Light, GlyphMode::Unicode).screen());
    let mut real = fixture::demo();
    real.site.demo = false;
    let read_only = Desk::on(real, Settings { read_only: true, ..Settings::default() }, MIDDLE);
    insta::assert_snapshot!("read-only", read_only.screen());
}

#[test]
fn other_sizes() {
    insta::assert_snapshot!("main-60x16", desk((60, 16)).screen());
    insta::assert_snapshot!("main-40x8", desk((40, 8)).screen());
    let mut copies = desk((40, 10));
    copies.types("1");
    insta::assert_snapshot!("copies-40x10", copies.screen());
    insta::assert_snapshot!("too-small-20x5", desk((20, 5)).screen());
}

/// Writes screens as a terminal gets them, for looking at them: `ECDECK_SCREENS=folder cargo test print_screens -- --ignored`.
#[test]
#[ignore = "writes files for looking at"]
fn print_screens() {
    let folder = std::path::PathBuf::from(std::env::var("ECDECK_SCREENS").unwrap());
    let pictures: [Picture; 11] = [
        ("main", |_| {}),
        ("plan", |desk| {
            desk.at("demo-ora02").types("b");
        }),
        ("destroys", |desk| {
            desk.at("demo-ora02").types("3jdYv1");
        }),
        ("batch", |desk| {
            desk.types("*s");
        }),
        ("wayout", |desk| {
            desk.at("demo-dwh").keys([Key::Enter]);
        }),
        ("refused", |desk| {
            desk.at("demo-erp").types("s");
        }),
        ("help", |desk| {
            desk.types("?");
        }),
        ("details", |desk| {
            desk.at("demo-ora01").types("i");
        }),
        ("pool", |desk| {
            desk.types("2");
        }),
        ("filter", |desk| {
            desk.types("/ora");
        }),
        ("events", |desk| {
            desk.types("vj");
        }),
    ];
    for (size_name, size) in [("small", SMALL), ("middle", MIDDLE), ("large", LARGE)] {
        for (name, steps) in pictures {
            let mut desk = desk(size);
            steps(&mut desk);
            std::fs::write(folder.join(format!("{size_name}-{name}")), desk.bytes()).unwrap();
        }
        let light = Desk::new(Settings { theme: ThemeName::Light, ..Settings::default() }, size);
        std::fs::write(folder.join(format!("{size_name}-light")), light.bytes()).unwrap();
    }
}
