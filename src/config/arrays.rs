//! The arrays and the remote copies between them. An array's driver reads its own keys.

use super::file::RecKeys;
use super::{Array, ControlPlane};
use crate::config_keys::{Fault, Table, closest, meant, name};
use crate::driver::kind::DriverKind;
use crate::model::identity::Name;
use crate::model::session::{Automation, RecModes, TransferMode};
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

const TABLE: &str = "array";
/// The keys of every array.
const NAME: &str = "name";
const DRIVER: &str = "driver";
const FORCED_STOP: &str = "forced_stop";

/// The `[[array]]` tables of a file.
pub(super) fn arrays(text: &str, drivers: &[&'static dyn DriverKind]) -> Result<Vec<Array>, Fault> {
    let mut file = DeTable::parse(text)?.into_inner();
    let Some(DeValue::Array(tables)) = file.remove(TABLE).map(Spanned::into_inner) else { return Ok(Vec::new()) };
    let mut arrays: Vec<Array> = Vec::with_capacity(tables.len());
    for table in tables {
        let mut table = Table::new(TABLE, table)?;
        let written = table.take_needed(NAME)?;
        let name = name(&written)?;
        if arrays.iter().any(|array| array.name == name) {
            return Err(Fault::at(&written, format!("another array is called {name}: give each its own name")));
        }
        let second = table.take_table(FORCED_STOP)?;
        let control = control_plane(table, &[NAME, DRIVER, FORCED_STOP], drivers)?;
        let forced_stop = second.map(|table| control_plane(table, &[DRIVER], drivers)).transpose()?;
        arrays.push(Array { name, control, forced_stop });
    }
    Ok(arrays)
}

/// `common`: the keys that this table has with every driver.
fn control_plane(
    mut table: Table<'_>,
    common: &[&str],
    drivers: &[&'static dyn DriverKind],
) -> Result<ControlPlane, Fault> {
    let driver: Spanned<String> = table.take_needed(DRIVER)?;
    let written = driver.get_ref();
    let Some(kind) = drivers.iter().find(|kind| kind.name() == written) else {
        let known: Vec<&str> = drivers.iter().map(|kind| kind.name()).collect();
        return Err(Fault::at(&driver, format!("{written:?} is not known here; {}", meant(written, &known))));
    };
    if let Some((key, said)) = table.first_unknown(kind.keys(), common) {
        let of_another = drivers.iter().find(|other| other.keys().contains(&key.get_ref().as_str()));
        let said = of_another.map_or(said, |other| {
            format!("this is for driver = \"{}\"; the driver above is \"{written}\"", other.name())
        });
        return Err(Fault::at(&key, said));
    }
    Ok(ControlPlane::new(*kind, kind.configure(table, &driver)?))
}

pub(super) fn rec(written: &[RecKeys], arrays: &[Array]) -> Result<BTreeMap<(Name, Name), RecModes>, Fault> {
    let mut modes = BTreeMap::new();
    for keys in written {
        let (from, to) = (array_name(&keys.from, arrays)?, array_name(&keys.to, arrays)?);
        if from == to {
            return Err(Fault::at(&keys.to, "a remote copy goes to another array: inside one it has no modes"));
        }
        if let Some(split) = &keys.split
            && keys.transfer != TransferMode::Synchronous
        {
            return Err(Fault::at(split, "split goes with synchronous transfer only: leave it away"));
        }
        let split = keys.split.as_ref().map_or(Automation::default(), |split| *split.get_ref());
        let made = RecModes { transfer: keys.transfer, split, recovery: keys.recovery };
        if modes.insert((from.clone(), to.clone()), made).is_some() {
            return Err(Fault::at(&keys.from, format!("the modes from {from} to {to} are here twice: keep one")));
        }
    }
    Ok(modes)
}

fn array_name(written: &Spanned<String>, arrays: &[Array]) -> Result<Name, Fault> {
    let known = || arrays.iter().map(|array| array.name.as_str());
    if let Some(array) = arrays.iter().find(|array| array.name.as_str() == written.get_ref()) {
        return Ok(array.name.clone());
    }
    let hint = match closest(written.get_ref(), known()) {
        Some(close) => format!("did you mean {close}?"),
        None => "name one of the [[array]] tables".to_owned(),
    };
    Err(Fault::at(written, format!("there is no array {:?}; {hint}", written.get_ref())))
}
