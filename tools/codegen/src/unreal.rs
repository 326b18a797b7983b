//! Unreal.
use crate::code::Files;
use crate::model::Model;
use crate::{GenerateError, Options};

#[derive(Debug)]
pub(crate) struct Names;
impl Names {
    pub fn new(_model: &Model, _module_name: &str, _prefix: &str) -> Self {
        Names
    }
}
pub(crate) fn generate(
    _model: &Model,
    _options: &Options,
    _names: &Names,
    _files: &mut Files,
) -> Result<(), GenerateError> {
    Err(GenerateError::Unsupported {
        place: "the module".to_owned(),
        ty: "any type",
        language: "Unreal",
    })
}

pub(crate) fn project_files(_module_name: &str) -> Vec<crate::GeneratedFile> {
    Vec::new()
}
