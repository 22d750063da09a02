//! Which adapters there are, and which one is taken.

use std::fmt;

use futures::FutureExt;
use tsds_traits::{Error, ErrorKind, Result, World};
use wgpu::DeviceType;

use crate::settings::WgpuSettings;

/// An adapter that the Vulkan drivers of this machine offer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdapterSummary {
    /// The name, such as `NVIDIA H100`.
    pub name: String,
    /// What stands between TSDS and the adapter, such as `Vulkan, Mesa 22.3.6`.
    pub driver: String,
    /// Whether the host's processor plays it.
    pub software: bool,
    /// The lower, the rather it is taken.
    rank: u8,
}

impl AdapterSummary {
    fn new(info: &wgpu::AdapterInfo) -> Self {
        let driver = match (info.driver.is_empty(), info.driver_info.is_empty()) {
            (true, true) => "Vulkan".into(),
            (false, true) => format!("Vulkan, {}", info.driver),
            (true, false) => format!("Vulkan, {}", info.driver_info),
            (false, false) => format!("Vulkan, {} {}", info.driver, info.driver_info),
        };
        let rank = match info.device_type {
            DeviceType::DiscreteGpu => 0,
            DeviceType::VirtualGpu => 1,
            DeviceType::IntegratedGpu => 2,
            DeviceType::Other => 3,
            DeviceType::Cpu => 4,
        };
        Self { name: info.name.clone(), driver, software: info.device_type == DeviceType::Cpu, rank }
    }
}

impl fmt::Display for AdapterSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let software = if self.software { ", software" } else { "" };
        write!(f, "{} ({}{software})", self.name, self.driver)
    }
}

/// Lists the adapters of this machine; there are none where there is no Vulkan.
///
/// # Errors
///
/// Those of the executor.
pub async fn list_adapters(world: &World) -> Result<Vec<AdapterSummary>> {
    (*world.executor).blocking(find_summaries).await
}

/// As [`list_adapters`]. Blocking.
pub(crate) fn find_summaries() -> Result<Vec<AdapterSummary>> {
    Ok(find()?.into_iter().map(|(_, summary)| summary).collect())
}

/// The adapter that the settings ask for. Blocking.
pub(crate) fn open(settings: &WgpuSettings) -> Result<(wgpu::Adapter, AdapterSummary)> {
    let mut found = find()?;
    let summaries: Vec<_> = found.iter().map(|(_, summary)| summary.clone()).collect();
    let chosen = choose(&summaries, settings)?;
    Ok(found.swap_remove(chosen))
}

fn find() -> Result<Vec<(wgpu::Adapter, AdapterSummary)>> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::VULKAN;
    // Validation layers, where installed, would slow down every build with debug assertions and change nothing.
    descriptor.flags = wgpu::InstanceFlags::empty();
    let adapters = wgpu::Instance::new(descriptor)
        .enumerate_adapters(wgpu::Backends::VULKAN)
        .now_or_never()
        .ok_or_else(|| Error::internal("listing the Vulkan adapters did not end at once"))?;
    Ok(adapters
        .into_iter()
        .map(|adapter| {
            let summary = AdapterSummary::new(&adapter.get_info());
            (adapter, summary)
        })
        .collect())
}

/// The place of the adapter to take.
fn choose(found: &[AdapterSummary], settings: &WgpuSettings) -> Result<usize> {
    let names = || found.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    if found.is_empty() {
        return Err(Error::new(
            ErrorKind::Unavailable,
            "no Vulkan adapter was found: install the driver of a GPU, or use another tier",
        ));
    }
    let wanted = settings.adapter.as_ref().map(|name| name.to_lowercase());
    let best = |fits: &dyn Fn(&AdapterSummary) -> bool| {
        let fitting = found.iter().enumerate().filter(|(_, adapter)| fits(adapter));
        fitting.min_by_key(|(_, adapter)| adapter.rank).map(|(place, _)| place)
    };
    match wanted {
        Some(wanted) => best(&|adapter| adapter.name.to_lowercase().contains(&wanted)).ok_or_else(|| {
            Error::new(
                ErrorKind::ConfigInvalid,
                "no Vulkan adapter has this name: set `adapter` to a part of the name of one that was found",
            )
            .with("adapter", &wanted)
            .with("found", names())
        }),
        None => best(&|adapter| !adapter.software || settings.allow_software).ok_or_else(|| {
            Error::new(
                ErrorKind::Unavailable,
                "only software adapters were found: name one in `adapter` or set `allow_software`",
            )
            .with("found", names())
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(name: &str, rank: u8) -> AdapterSummary {
        AdapterSummary { name: name.into(), driver: "Vulkan".into(), software: rank == 4, rank }
    }

    fn named(name: &str) -> WgpuSettings {
        WgpuSettings { adapter: Some(name.into()), ..WgpuSettings::default() }
    }

    fn all() -> Vec<AdapterSummary> {
        vec![adapter("llvmpipe (LLVM 15)", 4), adapter("Intel UHD", 2), adapter("NVIDIA H100", 0)]
    }

    #[test]
    fn without_a_name_the_fastest_kind_is_taken() {
        assert_eq!(choose(&all(), &WgpuSettings::default()).unwrap(), 2);
    }

    #[test]
    fn a_name_is_a_part_in_any_case() {
        assert_eq!(choose(&all(), &named("intel")).unwrap(), 1);
        assert_eq!(choose(&all(), &named("LLVMPIPE")).unwrap(), 0);
    }

    #[test]
    fn an_unknown_name_says_what_was_found() {
        let error = choose(&all(), &named("voodoo")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        let text = error.to_string();
        assert!(
            text.contains("voodoo") && text.contains("Intel UHD") && text.contains("`adapter`"),
            "{text}"
        );
    }

    #[test]
    fn software_is_taken_only_when_asked_for() {
        let found = vec![adapter("llvmpipe (LLVM 15)", 4)];
        let error = choose(&found, &WgpuSettings::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("allow_software") && error.to_string().contains("llvmpipe"));
        let allowed = WgpuSettings { allow_software: true, ..WgpuSettings::default() };
        assert_eq!(choose(&found, &allowed).unwrap(), 0);
        assert_eq!(choose(&all(), &allowed).unwrap(), 2);
        assert_eq!(choose(&found, &named("llvm")).unwrap(), 0);
    }

    #[test]
    fn without_any_adapter_it_is_unavailable() {
        let error = choose(&[], &named("llvm")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }

    #[test]
    fn unknown_settings_are_refused() {
        assert!(serde_json::from_str::<WgpuSettings>(r#"{"adaptor": "x"}"#).is_err());
        assert_eq!(serde_json::from_str::<WgpuSettings>("{}").unwrap(), WgpuSettings::default());
    }
}
