//! The section `plugins` of the configuration.

use serde_json::{Map, Value, json};
use tsds_engine::config::{Layers, Settings};
use tsds_engine::traits::ErrorKind;
use tsds_io::SimWorld;

use super::fake::{CUDA, device, registry};
use super::{assert_whole, filled, open, settings};

fn with(mut settings: Settings, id: &str, values: Value) -> Settings {
    let Value::Object(values) = values else { panic!("{values}") };
    settings.plugins.insert(id.into(), values);
    settings
}

#[test]
fn a_tier_gets_its_settings_over_those_of_the_engine() {
    let plugins = registry(&[CUDA]);
    let machine = SimWorld::new(4);
    machine.block_on(async {
        let settings = with(settings("cuda"), CUDA, json!({ "adapter": "first", "max_memory_mb": 9 }));
        filled(&machine, &plugins, settings.clone(), 0..30).await.close().await.unwrap();
        let without = Settings { plugins: Default::default(), ..settings };
        open(&machine, &plugins, without).await.unwrap().close().await.unwrap();
    });
    let given = device(CUDA, |device| device.builds.clone());
    assert_eq!(given, [json!({ "adapter": "first", "max_memory_mb": 9 }), json!({ "max_memory_mb": 1024 })]);
}

#[test]
fn every_kind_of_plugin_gets_its_settings() {
    // Each of them refuses a key that it does not know, so a refusal shows that it was told.
    for id in ["tsds.warm.cpu", "tsds.cold.parquet", "tsds.wal.arrow", "tsds.evict.lru", "tsds.gorilla"] {
        let machine = SimWorld::new(4);
        let settings = with(settings("cpu"), id, json!({ "no_such_key": 1 }));
        let error = machine.block_on(open(&machine, &registry(&[]), settings)).unwrap_err();
        assert_eq!(error.plugin(), Some(id), "{error}");
        assert!(error.to_string().contains("no_such_key"), "{error}");
        assert!(error.to_string().contains(&format!("settings=plugins.{id}")), "{error}");
    }
}

#[test]
fn settings_for_a_plugin_that_is_not_registered_name_those_that_are() {
    let machine = SimWorld::new(4);
    let settings = with(settings("cpu"), "tsds.warm.cdua", Value::Object(Map::new()));
    let error = machine.block_on(open(&machine, &registry(&[CUDA]), settings)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    let text = error.to_string();
    assert!(text.contains("key=plugins.tsds.warm.cdua") && text.contains("tsds.warm.cuda"), "{text}");
}

#[test]
fn a_database_takes_the_section_from_json_and_the_environment() {
    let mut layers = Layers::new();
    layers.json("tsds.json", r#"{"plugins": {"tsds.wal.arrow": {"file_bytes": 2000000}}}"#).unwrap();
    layers.environment([("TSDS_PLUGINS__TSDS__COLD__PARQUET__COMPRESSION", "none")]).unwrap();
    let plugins = layers.settings().unwrap().plugins;
    let machine = SimWorld::new(4);
    machine.block_on(async {
        let settings = Settings { plugins, ..settings("cpu") };
        let database = filled(&machine, &registry(&[]), settings, 0..30).await;
        assert_whole(&database, 0..30).await;
        let log = machine.list_files("/db/wal").unwrap();
        let lengths = log.iter().map(|file| machine.read_file(format!("/db/wal/{file}")).unwrap().len());
        let largest = lengths.max().unwrap();
        // Whole pages; `wal.file_mb` says 1 MB.
        assert!((1_990_000..=2_000_000).contains(&largest), "{largest}");
    });
}
