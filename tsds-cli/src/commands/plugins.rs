//! `tsds plugins`: which plugins this program has, and which of them can run on this machine.

use serde::Serialize;
use tsds_traits::{Plugin, Presence, Registry};

use crate::arguments::Shown;
use crate::failure::Result;
use crate::output::{Align, Output, TextTable};

/// One plugin, as `--json` prints it.
#[derive(Serialize)]
struct Listed {
    id: &'static str,
    role: &'static str,
    crate_version: &'static str,
    /// What it writes.
    format_version: u16,
    /// The oldest that it reads.
    reads_from: u16,
    present: bool,
    /// What it runs on, if anything in particular.
    device: Option<String>,
    /// Why it cannot run here.
    absent_because: Option<String>,
}

impl Listed {
    fn new(plugin: &Plugin) -> Self {
        let (device, absent_because) = match (plugin.probe)() {
            Presence::Present(device) => (Some(device).filter(|device| !device.is_empty()), None),
            Presence::Absent(reason) => (None, Some(reason)),
        };
        Self {
            id: plugin.id,
            role: plugin.factory.role(),
            crate_version: plugin.crate_version,
            format_version: plugin.format_version,
            reads_from: plugin.reads_from,
            present: absent_because.is_none(),
            device,
            absent_because,
        }
    }
}

/// Lists the plugins, in the order of their ids.
pub(super) fn run(output: &Output, registry: &Registry, shown: Shown) -> Result<()> {
    let listed: Vec<Listed> = registry.plugins().map(Listed::new).collect();
    if shown.json { output.print_json(&listed) } else { output.print(&text(&listed)) }
}

fn text(listed: &[Listed]) -> String {
    let mut table = TextTable::new([
        ("plugin", Align::Left),
        ("is a", Align::Left),
        ("version", Align::Left),
        ("format", Align::Left),
        ("here", Align::Left),
    ])
    .unlimited();
    for plugin in listed {
        let format = match plugin.reads_from {
            from if from < plugin.format_version => format!("{}, reads from {from}", plugin.format_version),
            _ => plugin.format_version.to_string(),
        };
        let here = match (&plugin.absent_because, &plugin.device) {
            (Some(reason), _) => format!("no: {reason}"),
            (None, Some(device)) => format!("yes: {device}"),
            (None, None) => "yes".into(),
        };
        let role = plugin.role.replace('_', " ");
        table.row([plugin.id, &role, plugin.crate_version, &format, &here]);
    }
    table.text()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(presence: fn() -> Presence) -> String {
        let mut plugin = *tsds_engine::builtin_registry().unwrap().get("tsds.warm.cpu").unwrap();
        plugin.probe = presence;
        text(&[Listed::new(&plugin)])
    }

    #[test]
    fn a_plugin_that_cannot_run_here_says_why() {
        let text = listed(|| Presence::Absent("no driver".into()));
        assert!(text.contains("no: no driver"), "{text}");
    }

    #[test]
    fn a_plugin_that_can_run_here_says_on_what() {
        let text = listed(|| Presence::Present("a fast card".into()));
        assert!(text.contains("tsds.warm.cpu") && text.contains("yes: a fast card"), "{text}");
        assert!(listed(|| Presence::Present(String::new())).trim_end().ends_with("yes"), "{text}");
    }
}
