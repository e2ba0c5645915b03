//! Screens as snapshots, with their styles: every pane and state that an operator can come to.

use super::Desk;
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

fn desk(size: (u16, u16)) -> Desk {
    Desk::new(Settings::default(), size)
}

/// A screen's name and the keys that lead to it.
type Picture = (&'static str, fn(&mut Desk));

/// Two snapshots of the same: small and middle.
macro_rules! both {
    ($name:literal, $steps:expr) => {{
        let steps: fn(&mut Desk) = $steps;
        for (size, name) in [(SMALL, concat!($name, "-80x24")), (MIDDLE, concat!($name, "-120x40"))] {
            let mut desk = desk(size);
            steps(&mut desk);
            insta::assert_snapshot!(name, desk.screen());
        }
    }};
}

#[test]
fn the_main_screen() {
    both!("main", |_| {});
}

#[test]
fn each_pane_with_the_focus() {
    both!("copies", |desk| {
        desk.types("1jj");
    });
    both!("pool", |desk| {
        desk.types("2jj");
    });
    both!("generations", |desk| {
        desk.at("demo-ora01").types("3");
    });
    both!("generations-attention", |desk| {
        desk.at("demo-files").types("3");
    });
    both!("events", |desk| {
        desk.types("4jj");
    });
}

#[test]
fn the_plan_dialog() {
    both!("plan", |desk| {
        desk.at("demo-ora02").types("b");
    });
    both!("plan-batch", |desk| {
        desk.types("*s");
    });
    both!("plan-destroys", |desk| {
        desk.at("demo-ora02").types("3jd").types("Y").types("v1");
    });
    both!("plan-changed", |desk| {
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
    both!("refused", |desk| {
        desk.at("demo-erp").types("s");
    });
    both!("refused-copying", |desk| {
        desk.at("demo-ora01").types("b");
    });
}

#[test]
fn the_way_out_of_red_rows() {
    both!("way-out-error", |desk| {
        desk.at("demo-dwh").keys([Key::Enter]);
    });
    both!("way-out-halted", |desk| {
        desk.at("demo-crm").keys([Key::Enter]);
    });
}

#[test]
fn details_and_help() {
    both!("details", |desk| {
        desk.at("demo-ora01").types("i");
    });
    both!("details-backup-volume", |desk| {
        desk.types("2i");
    });
    both!("help", |desk| {
        desk.types("?");
    });
    both!("help-end", |desk| {
        desk.types("?G");
    });
    both!("event", |desk| {
        desk.types("4").keys([Key::Enter]);
    });
    both!("hold", |desk| {
        desk.at("demo-ora02").types("3p").types("tape");
    });
    both!("palette", |desk| {
        desk.at("demo-ora01").types(":s").keys([Key::Down]);
    });
    both!("policy", |desk| {
        desk.at("demo-ora02").types("e7").keys([Key::Down]);
    });
}

#[test]
fn choosing_volumes() {
    both!("filter", |desk| {
        desk.types("/ora");
    });
    both!("filter-nothing", |desk| {
        desk.types("/zz").keys([Key::Enter]);
    });
    both!("problems", |desk| {
        desk.types("!");
    });
    both!("marked", |desk| {
        desk.types("  o");
    });
}

#[test]
fn a_site_with_nothing_in_it() {
    both!("empty", |desk| desk.site(|site| {
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
    both!("engine-lost", |desk| desk.tell(Msg::Link(Link::Lost { since: NOW, why: "it was closed".to_owned() })));
    both!("engine-silent", |desk| {
        desk.at("demo-ora02").types("b");
        let engine = "the engine (pid 4711)".to_owned();
        desk.tell(Msg::Link(Link::Silent { since: NOW, engine }));
    });
    both!("array-silent", |desk| desk.site(|site| {
        site.arrays[0].reach = Reach::Unreachable { since: NOW, why: "no route to host".into() };
        site.arrays[1].taken_at = Some(NOW.plus_millis(-180_000));
        site.arrays[1].began = Some(crate::model::moment::Moment::at(NOW.plus_millis(-180_000)));
    }));
}

#[test]
fn before_the_first_snapshot() {
    let clock = Clock::new(NOW, TimeZone::UTC);
    let app = App::new(Settings::default(), KeyMap::default(), plan, clock, MIDDLE);
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
    insta::assert_snapshot!("main-200x60", desk((200, 60)).screen());
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
    let pictures: [Picture; 10] = [
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
    ];
    for (size_name, size) in [("small", SMALL), ("middle", MIDDLE), ("large", (200, 60))] {
        for (name, steps) in pictures {
            let mut desk = desk(size);
            steps(&mut desk);
            std::fs::write(folder.join(format!("{size_name}-{name}")), desk.bytes()).unwrap();
        }
        let light = Desk::new(Settings { theme: ThemeName::Light, ..Settings::default() }, size);
        std::fs::write(folder.join(format!("{size_name}-light")), light.bytes()).unwrap();
    }
}
