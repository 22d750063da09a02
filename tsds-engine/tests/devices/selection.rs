//! Which tier is taken.

use tsds_engine::traits::{ErrorKind, Presence, Registry};
use tsds_engine::{Database, Stats};
use tsds_io::SimWorld;

use super::fake::{Build, CUDA, OTHER, WGPU, device, registry};
use super::{assert_whole, filled, open, settings, stats};

const ROWS: i64 = 120;

/// Opens, uses and closes a database.
fn opened(registry: &Registry, backend: &str) -> Stats {
    let machine = SimWorld::new(3);
    machine.block_on(async {
        let database = filled(&machine, registry, settings(backend), 0..ROWS).await;
        assert_whole(&database, 0..ROWS).await;
        let stats = stats(&database).await;
        database.close().await.unwrap();
        stats
    })
}

fn reasons(stats: &Stats) -> Vec<(&str, &str)> {
    stats.warm.passed_over.iter().map(|passed| (passed.backend, passed.reason.as_str())).collect()
}

fn probes() -> [u32; 3] {
    [CUDA, WGPU, OTHER].map(|id| device(id, |device| device.probes))
}

#[test]
fn auto_takes_the_first_device_that_is_there() {
    let stats = opened(&registry(&[CUDA, WGPU]), "auto");
    assert_eq!((stats.warm.backend, stats.warm.device.as_deref()), (CUDA, Some("GPU")));
    assert_eq!((stats.resident.backend, stats.resident.device.as_deref()), (CUDA, Some("GPU")));
    assert!(stats.resident.segments > 0 && stats.warm.passed_over.is_empty(), "{stats:?}");
    assert_eq!(probes(), [1, 0, 0], "what is not needed is not probed");
}

#[test]
fn auto_passes_over_what_is_not_there_and_says_why() {
    let plugins = registry(&[CUDA, WGPU]);
    device(CUDA, |device| device.presence = Some(Presence::Absent("no driver".into())));
    let stats = opened(&plugins, "auto");
    assert_eq!(stats.warm.backend, WGPU);
    assert_eq!(reasons(&stats), [(CUDA, "it cannot run here: no driver")]);
    assert!(device(CUDA, |device| device.builds.is_empty()));
}

#[test]
fn auto_without_devices_takes_the_cpu() {
    let stats = opened(&registry(&[]), "auto");
    assert_eq!((stats.warm.backend, stats.warm.device), ("tsds.warm.cpu", None));
    let not_there = "it is not registered";
    assert_eq!(
        stats.warm.passed_over.iter().map(|passed| passed.reason.as_str()).collect::<Vec<_>>(),
        [not_there, not_there]
    );
}

#[test]
fn a_probe_that_panics_says_that_the_device_is_absent() {
    let plugins = registry(&[CUDA, WGPU]);
    device(CUDA, |device| device.presence = None);
    let stats = opened(&plugins, "auto");
    assert_eq!(stats.warm.backend, WGPU);
    let [(CUDA, reason)] = reasons(&stats)[..] else { panic!("{stats:?}") };
    assert!(reason.contains("the driver is broken"), "{reason}");
}

#[test]
fn auto_goes_on_with_the_next_one_where_a_device_is_there_but_cannot_be_built() {
    for (build, expected) in [
        (Build::Fails, "the driver refuses"),
        (Build::Panics, "the driver crashes"),
        (Build::Hangs, "plugin did not answer in time"),
    ] {
        let plugins = registry(&[CUDA, WGPU]);
        device(CUDA, |device| device.build = build);
        let stats = opened(&plugins, "auto");
        assert_eq!(stats.warm.backend, WGPU, "{build:?}");
        let [(CUDA, reason)] = reasons(&stats)[..] else { panic!("{stats:?}") };
        assert!(reason.starts_with("it cannot be built: ") && reason.contains(expected), "{reason}");
    }
}

#[test]
fn auto_takes_the_cpu_where_no_device_can_be_built() {
    let plugins = registry(&[CUDA, WGPU]);
    for id in [CUDA, WGPU] {
        device(id, |device| device.build = Build::Fails);
    }
    let stats = opened(&plugins, "auto");
    assert_eq!((stats.resident.backend, stats.warm.passed_over.len()), ("tsds.warm.cpu", 2));
}

#[test]
fn a_short_name_asks_for_that_tier() {
    for (name, id) in [("cuda", CUDA), ("wgpu", WGPU), ("cpu", "tsds.warm.cpu"), (OTHER, OTHER)] {
        let stats = opened(&registry(&[CUDA, WGPU, OTHER]), name);
        assert_eq!((stats.warm.backend, stats.warm.configured.as_str()), (id, name));
        assert_eq!(probes(), [0; 3], "{name}: nothing else is probed, and nothing that works");
    }
}

#[test]
fn a_tier_that_is_asked_for_by_name_and_cannot_be_built_is_an_error_that_says_what_to_do() {
    let plugins = registry(&[CUDA, WGPU]);
    device(CUDA, |device| {
        device.build = Build::Fails;
        device.presence = Some(Presence::Absent("no driver".into()));
    });
    let machine = SimWorld::new(3);
    let error = machine.block_on(open(&machine, &plugins, settings("cuda"))).unwrap_err();
    assert_eq!((error.kind(), error.plugin()), (ErrorKind::Unavailable, Some(CUDA)));
    let text = error.to_string();
    for part in ["set warm_tier.backend to auto or cpu", "the driver refuses", "probe=no driver"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_tier_that_is_asked_for_by_name_and_is_not_registered_names_its_feature() {
    let machine = SimWorld::new(3);
    let error = machine.block_on(open(&machine, &registry(&[WGPU]), settings("cuda"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert!(error.to_string().contains("enable_feature=warm-cuda"), "{error}");
    let error = machine.block_on(open(&machine, &registry(&[WGPU]), settings("gpu"))).unwrap_err();
    assert!(error.to_string().contains("registered=") && error.to_string().contains(WGPU), "{error}");
}

#[test]
fn explain_names_the_device_that_reads() {
    let machine = SimWorld::new(3);
    machine.block_on(async {
        let database: Database = filled(&machine, &registry(&[CUDA]), settings("auto"), 0..ROWS).await;
        let explain = database.table(super::TABLE).unwrap().query().explain().await.unwrap();
        let warm = &explain.tiers[0];
        assert_eq!((warm.backend, warm.device.as_deref(), &warm.reason), (Some(CUDA), Some("GPU"), &None));
        assert!(explain.to_string().contains("tsds.warm.cuda on GPU: "), "{explain}");
    });
}
