//! Which devices there are, and which one is taken.

use std::ffi::c_int;
use std::fmt;

use cudarc::driver::sys::{CUdevice, CUuuid};
use tsds_traits::{Error, ErrorKind, Result, World};

use crate::driver::{Api, driver};
use crate::fault::Code;
use crate::settings::CudaSettings;

/// `CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR` and `..._MINOR`.
const CAPABILITY: [c_int; 2] = [75, 76];
/// `CU_DEVICE_ATTRIBUTE_COMPUTE_MODE`, and its value that lets nobody use the device.
const COMPUTE_MODE: c_int = 20;
const PROHIBITED: c_int = 2;
/// What the kernels' PTX is for: Volta.
const OLDEST_CAPABILITY: (c_int, c_int) = (7, 0);

/// A device that the CUDA driver of this machine offers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdapterSummary {
    /// Its number.
    pub ordinal: u32,
    /// The name, such as `NVIDIA H100`.
    pub name: String,
    /// What stands between TSDS and the device, such as `CUDA 12.4`.
    pub driver: String,
    /// What tells it from every other one, such as `GPU-...`.
    pub uuid: String,
    /// Its memory in bytes.
    pub memory_bytes: u64,
    /// What it can do, such as (9, 0).
    pub capability: (u32, u32),
    /// Why it cannot be used, if it cannot.
    pub trouble: Option<String>,
}

impl fmt::Display for AdapterSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = self.capability;
        write!(
            f,
            "{}: {} ({}, sm_{major}{minor}, {} MiB",
            self.ordinal,
            self.name,
            self.driver,
            self.memory_bytes >> 20
        )?;
        match &self.trouble {
            Some(trouble) => write!(f, "; {trouble})"),
            None => write!(f, ")"),
        }
    }
}

/// Lists the devices of this machine.
///
/// # Errors
///
/// `Unavailable` where there is no driver that can be used, or no device; those of the executor.
pub async fn list_adapters(world: &World) -> Result<Vec<AdapterSummary>> {
    (*world.executor).blocking(|| Ok(find()?.1.into_iter().map(|(_, summary)| summary).collect())).await
}

/// The device that the settings ask for. Blocking.
pub(crate) fn open(settings: &CudaSettings) -> Result<(&'static Api, CUdevice, AdapterSummary)> {
    let (api, mut found) = find()?;
    let summaries: Vec<_> = found.iter().map(|(_, summary)| summary.clone()).collect();
    let (device, summary) = found.swap_remove(choose(&summaries, settings)?);
    Ok((api, device, summary))
}

/// Never none. Blocking.
pub(crate) fn find() -> Result<(&'static Api, Vec<(CUdevice, AdapterSummary)>)> {
    let unavailable = |reason: String| {
        Error::new(
            ErrorKind::Unavailable,
            "CUDA cannot be used on this machine: mend the cause, or use another tier",
        )
        .with("reason", reason)
    };
    let api = driver().map_err(unavailable)?;
    let summaries =
        summaries(api).map_err(|code| unavailable(format!("the devices cannot be listed: {code}")))?;
    match summaries.is_empty() {
        true => Err(unavailable("no device".into())),
        false => Ok((api, summaries)),
    }
}

fn summaries(api: &Api) -> std::result::Result<Vec<(CUdevice, AdapterSummary)>, Code> {
    let (mut count, mut version) = (0, 0);
    // SAFETY: the driver is initialised, and writes one number each time.
    unsafe {
        api.cuDeviceGetCount(&mut count)?;
        api.cuDriverGetVersion(&mut version)?;
    }
    let driver = format!("CUDA {}.{}", version / 1000, version % 1000 / 10);
    (0..count).map(|ordinal| summary(api, ordinal, &driver)).collect()
}

fn summary(api: &Api, ordinal: c_int, driver: &str) -> std::result::Result<(CUdevice, AdapterSummary), Code> {
    const NAME_BYTES: usize = 256;
    let mut device = 0;
    let mut name = [0u8; NAME_BYTES];
    let mut uuid = CUuuid { bytes: [0; 16] };
    let mut memory = 0;
    let [mut major, mut minor, mut mode] = [0; 3];
    // SAFETY: the driver writes one thing each time, and of the name no more than it is told.
    unsafe {
        api.cuDeviceGet(&mut device, ordinal)?;
        api.cuDeviceGetName(name.as_mut_ptr().cast(), NAME_BYTES as c_int, device)?;
        api.cuDeviceGetUuid(&mut uuid, device)?;
        api.cuDeviceTotalMem_v2(&mut memory, device)?;
        for (value, attribute) in
            [(&mut major, CAPABILITY[0]), (&mut minor, CAPABILITY[1]), (&mut mode, COMPUTE_MODE)]
        {
            api.cuDeviceGetAttribute(value, attribute, device)?;
        }
    }
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(NAME_BYTES);
    let trouble = match () {
        () if (major, minor) < OLDEST_CAPABILITY => Some("too old for the kernels, which need sm_70".into()),
        () if mode == PROHIBITED => Some("its compute mode lets nobody use it".into()),
        () => None,
    };
    let summary = AdapterSummary {
        ordinal: ordinal as u32,
        name: String::from_utf8_lossy(name.get(..end).unwrap_or_default()).into_owned(),
        driver: driver.into(),
        uuid: text_of_uuid(&uuid),
        memory_bytes: memory as u64,
        capability: (major as u32, minor as u32),
        trouble,
    };
    Ok((device, summary))
}

/// As NVIDIA's tools write it.
fn text_of_uuid(uuid: &CUuuid) -> String {
    let digits: String = uuid.bytes.iter().map(|byte| format!("{:02x}", *byte as u8)).collect();
    let cut = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    format!("GPU-{}-{}-{}-{}-{}", cut(0, 8), cut(8, 12), cut(12, 16), cut(16, 20), cut(20, 32))
}

/// The place of the device to take.
fn choose(found: &[AdapterSummary], settings: &CudaSettings) -> Result<usize> {
    let all = || found.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let best = |fits: &dyn Fn(&AdapterSummary) -> bool| {
        let fitting = found.iter().enumerate().filter(|(_, device)| fits(device));
        // Of equal ones the first.
        fitting
            .min_by_key(|(_, device)| (device.trouble.is_some(), u64::MAX - device.memory_bytes))
            .map(|(place, _)| place)
    };
    let chosen = match &settings.device {
        None => best(&|_| true),
        Some(wanted) => {
            let lower = wanted.to_lowercase();
            let number = best(&|device| wanted.trim() == device.ordinal.to_string());
            let uuid = || {
                best(&|device| {
                    lower.starts_with("gpu-") && device.uuid.starts_with(&lower.replacen("gpu-", "GPU-", 1))
                })
            };
            let chosen =
                number.or_else(uuid).or_else(|| best(&|device| device.name.to_lowercase().contains(&lower)));
            Some(chosen.ok_or_else(|| {
                Error::new(
                    ErrorKind::ConfigInvalid,
                    "no CUDA device is this one: set `device` to the number, the UUID or a part of the name of one that was found",
                )
                .with("device", wanted)
                .with("found", all())
            })?)
        }
    };
    let chosen = chosen.unwrap_or_default();
    match found.get(chosen).and_then(|device| device.trouble.as_ref()) {
        None => Ok(chosen),
        Some(trouble) => Err(Error::new(
            ErrorKind::Unavailable,
            format!("the CUDA device cannot be used: {trouble}; use another tier"),
        )
        .with("found", all())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(ordinal: u32, name: &str, memory_bytes: u64) -> AdapterSummary {
        AdapterSummary {
            ordinal,
            name: name.into(),
            driver: "CUDA 12.0".into(),
            uuid: format!("GPU-0000000{ordinal}-0000-0000-0000-000000000000"),
            memory_bytes,
            capability: (7, 0),
            trouble: None,
        }
    }

    fn all() -> Vec<AdapterSummary> {
        vec![
            device(0, "NVIDIA T4", 16 << 30),
            device(1, "NVIDIA H100", 80 << 30),
            device(2, "NVIDIA H100", 80 << 30),
        ]
    }

    fn asked(device: &str) -> CudaSettings {
        CudaSettings { device: Some(device.into()), ..CudaSettings::default() }
    }

    #[test]
    fn without_a_setting_the_first_with_the_most_memory_is_taken() {
        assert_eq!(choose(&all(), &CudaSettings::default()).unwrap(), 1);
    }

    #[test]
    fn a_device_is_asked_for_by_number_name_or_uuid() {
        assert_eq!(choose(&all(), &asked("2")).unwrap(), 2);
        assert_eq!(choose(&all(), &asked("t4")).unwrap(), 0);
        assert_eq!(choose(&all(), &asked("GPU-00000002")).unwrap(), 2);
        assert_eq!(choose(&all(), &asked("gpu-00000000-0000-0000-0000-000000000000")).unwrap(), 0);
    }

    #[test]
    fn an_unknown_device_says_what_was_found() {
        for unknown in ["7", "voodoo", "GPU-ff"] {
            let error = choose(&all(), &asked(unknown)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
            let text = error.to_string();
            assert!(
                text.contains(unknown) && text.contains("NVIDIA T4") && text.contains("`device`"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_device_in_trouble_is_taken_last_and_then_says_why() {
        let mut found = all();
        found[1].trouble = Some("too old".into());
        assert_eq!(choose(&found, &CudaSettings::default()).unwrap(), 2);
        let error = choose(&found, &asked("1")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("too old"), "{error}");
    }

    #[test]
    fn uuids_are_written_as_by_the_tools_of_the_vendor() {
        let bytes = std::array::from_fn(|i| (i as u8 * 17) as std::ffi::c_char);
        assert_eq!(text_of_uuid(&CUuuid { bytes }), "GPU-00112233-4455-6677-8899-aabbccddeeff");
    }
}
