//! The JSON schema of a configuration file.

use serde_json::Value;

use super::Settings;

/// The JSON schema (draft 2020-12) of a configuration file: sections, keys, types, defaults and what each key does. It allows what
/// [`Layers::json`](super::Layers::json) allows, but for ranges, which [`Settings::validate`] checks; keys of plugins are not
/// part of it. With the feature `config-schema`.
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(Settings);
    schema.insert("title".into(), "Configuration of TSDS".into());
    schema.to_value()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve<'a>(root: &'a Value, at: &'a Value) -> &'a Value {
        let reference = at.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'));
        reference.and_then(|path| root.pointer(path)).unwrap_or(at)
    }

    #[test]
    fn every_key_is_in_the_schema_with_a_description_and_its_default() {
        let (schema, defaults) = (schema(), serde_json::to_value(Settings::default()).unwrap());
        for (section, keys) in defaults.as_object().unwrap() {
            let of_section = resolve(&schema, &schema["properties"][section]);
            for (key, default) in keys.as_object().unwrap() {
                let of_key = &of_section["properties"][key];
                assert!(of_key["description"].is_string(), "{section}.{key}: {of_section}");
                assert_eq!(of_key.get("default").unwrap_or(&Value::Null), default, "{section}.{key}");
            }
        }
    }

    #[test]
    fn unknown_keys_are_not_allowed() {
        let schema = schema();
        assert_eq!(schema["additionalProperties"], Value::Bool(false));
        assert_eq!(
            resolve(&schema, &schema["properties"]["wal"])["additionalProperties"],
            Value::Bool(false)
        );
    }
}
