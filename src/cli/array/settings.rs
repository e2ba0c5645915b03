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
    let suspend = settings.suspend_millis.map_or_else(
        || "done when it is answered".to_owned(),
        |millis| format!("continues for {}.{:03} s after its answer", millis / 1000, millis % 1000),
    );
    format!("copy table        {table}\nsessions          {sessions}\nremote suspend    {suspend}\n")
}
