//! The files of an import, all of one kind and with the same columns.

use std::sync::Arc;

use arrow_schema::DataType;
use tsds_traits::{Error, Result};

use super::columnar::{self, ColumnarFile};
use super::csv::{self, CsvRows, ReadOptions, Source};
use super::header::Header;
use super::input::Input;
use super::kind::{Kind, kind_of};
use super::plan::{Plan, PlanOptions};
use super::rows::FileRows;
use super::{Checked, OnError};

/// One file, and where it has the columns of all files.
#[derive(Clone, Debug)]
pub(crate) enum InputFile {
    /// Text.
    Csv(Source, Header),
    /// Parquet or Arrow.
    Columnar(ColumnarFile),
}

/// All files.
#[derive(Clone, Debug)]
pub(crate) struct InputFiles {
    /// In the order in which they are read.
    pub(crate) files: Vec<InputFile>,
    /// The columns that are taken, which all files have.
    pub(crate) names: Vec<String>,
}

impl InputFile {
    /// The file as such.
    pub(crate) fn input(&self) -> &Input {
        match self {
            Self::Csv(source, _) => source.input(),
            Self::Columnar(file) => file.input(),
        }
    }

    /// Reads the file to its end, or with [`OnError::Stop`] to its first bad row, as far as anything can be wrong. Blocking.
    ///
    /// # Errors
    ///
    /// What stops reading as such; a bad row is no error here.
    pub(crate) fn check(&self, plan: &Plan, on_error: OnError) -> Result<Checked> {
        match self {
            Self::Csv(source, header) => csv::check(source, header, plan, on_error),
            Self::Columnar(file) => columnar::check(file, plan, on_error),
        }
    }

    /// Starts to read the rows. Blocking.
    pub(super) fn rows(self, plan: &Arc<Plan>, on_error: OnError) -> Result<Box<dyn FileRows>> {
        Ok(match self {
            Self::Csv(source, header) => Box::new(CsvRows::open(source, header, plan, on_error)?),
            Self::Columnar(file) => Box::new(columnar::rows(&file, plan, on_error)?),
        })
    }
}

impl InputFiles {
    /// Finds out what the files hold, and which columns they have. Blocking.
    ///
    /// # Errors
    ///
    /// Files of several kinds; what a file lacks or repeats, by file.
    pub(crate) fn open(inputs: Vec<Input>, read: &Arc<ReadOptions>, options: &PlanOptions) -> Result<Self> {
        let mut first: Option<(Kind, String)> = None;
        let mut names: Option<Vec<String>> = None;
        let mut files = Vec::with_capacity(inputs.len());
        for input in inputs {
            let (kind, name) = (kind_of(&input)?, input.name.clone());
            let (first, named) = first.get_or_insert_with(|| (kind, name.clone()));
            if *first != kind {
                return Err(Error::invalid_input("files of one import must be of one kind")
                    .with(first.name(), named)
                    .with(kind.name(), name));
            }
            let at_file = |error: Error| error.with("file", &name);
            let header = |own: &[String]| {
                let common = names.get_or_insert_with(|| options.wanted(own));
                Header::new(common, own, |name| options.wants(name)).map_err(at_file)
            };
            files.push(match kind {
                Kind::Csv => {
                    let source = Source::new(input, read);
                    let own = source.read_names()?;
                    let header = { header }(&own)?;
                    InputFile::Csv(source, header)
                }
                kind => InputFile::Columnar(ColumnarFile::open(input, kind, read, header)?),
            });
        }
        Ok(Self { files, names: names.unwrap_or_default() })
    }

    /// For each column, the type that columnar files give it; nothing for one whose text decides.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for columns whose types in two files have nothing in common.
    pub(crate) fn types(&self, plan: &Plan) -> Result<Vec<Option<DataType>>> {
        let columnar = self.files.iter().filter_map(|file| match file {
            InputFile::Columnar(file) => Some(file),
            InputFile::Csv(..) => None,
        });
        columnar::common_types(&columnar.collect::<Vec<_>>(), &self.names, plan)
    }
}
