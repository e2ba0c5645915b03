//! What an embedded array is set to.

use super::super::array_arguments::Set;
use super::super::link::SiteContext;
use super::super::{CliError, json, out};
use super::{changing, told};
use crate::driver::emulated::admin::{Administration, Settings};
use crate::model::units::Blocks;
use serde::Serialize;

/// The JSON document.
#[derive(Serialize)]
struct Document<'a> {
    array: &'a str,
    #[serde(flatten)]
    settings: &'a Settings,
}

/// Sets what is given, and shows what holds then.
pub async fn run(set: &Set, site_context: &dyn SiteContext) -> Result<(), CliError> {
    let what = Administration::Set { array: set.array.clone(), change: set.change() };
    let settings: Settings = changing(site_context, &set.array)?.ask(what).await.map_err(|error| told(&error))?;
    if set.json {
        return json::print(site_context.is_demo(), &Document { array: &set.array, settings: &settings });
    }
    out::print(&text(&settings)).map(|_| ())
}

fn text(settings: &Settings) -> String {
    let table = match settings.copy_table {
        None => "unlimited".to_owned(),
        Some(Blocks(0)) => "not set: no copy can be started".to_owned(),
        Some(table) => format!("{table} of sources"),
    };
    let sessions = settings.sessions.map_or_else(|| "unlimited".to_owned(), |sessions| sessions.to_string());
    let seconds = |millis: u32| format!("{}.{:03} s", millis / 1000, millis % 1000);
    let lasting = |millis: Option<u32>| {
        millis.map_or_else(
            || "done when it is answered".to_owned(),
            |millis| format!("continues for {} after its answer", seconds(millis)),
        )
    };
    let start = settings.start_millis.map_or_else(
        || "copies at once".to_owned(),
        |millis| format!("is reserved for {} before it copies", seconds(millis)),
    );
    let (suspend, stop) = (lasting(settings.suspend_millis), lasting(settings.stop_millis));
    let mode = if settings.shows_mode_in_force { "the one in force, through" } else { "the one of the next resume" };
    let far = settings.far_millis.map_or_else(|| "at once".to_owned(), |millis| format!("after {}", seconds(millis)));
    let resolution = settings.resolution.unwrap_or(Blocks(128));
    format!(
        "copy table        {table}\nsessions          {sessions}\nresolution        {resolution}\nstart             {start}\n\
         remote suspend    {suspend}\nstop              {stop}\nother array hears {far}\nsuspended mode    {mode}\n"
    )
}
