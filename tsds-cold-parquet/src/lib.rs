//! tsds-cold-parquet
