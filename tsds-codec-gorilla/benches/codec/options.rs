//! The command line.

use std::path::PathBuf;

use crate::sections;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    #[default]
    Text,
    Markdown,
    Json,
}

#[derive(Debug, Default)]
pub struct Options {
    pub form: Form,
    pub page: Option<PathBuf>,
    sections: Vec<String>,
    sets: Vec<String>,
}

impl Options {
    pub fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                // What cargo adds.
                "--bench" => {}
                "--json" => options.form = Form::Json,
                "--markdown" => options.form = Form::Markdown,
                "--page" => options.page = Some(value()?.into()),
                "--set" => options.sets.push(value()?),
                name if sections::ALL.iter().any(|section| section.name == name) => {
                    options.sections.push(argument);
                }
                _ => return Err(format!("unknown argument: {argument}")),
            }
        }
        Ok(options)
    }

    pub fn runs(&self, section: &str) -> bool {
        self.sections.is_empty() || self.sections.iter().any(|wanted| wanted == section)
    }

    pub fn takes(&self, set: &str) -> bool {
        self.sets.is_empty() || self.sets.iter().any(|wanted| set.contains(wanted.as_str()))
    }
}
