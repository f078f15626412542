# A model in R, as BOA's users write them, with base R alone: it reads its parameters and writes output.json.
args <- commandArgs(trailingOnly = TRUE)
trial_dir <- args[length(args)]

text <- paste(readLines(file.path(trial_dir, "parameters.json"), warn = FALSE), collapse = "")
value_of <- function(name) {
    as.numeric(sub(paste0('.*"', name, '": *([-+0-9.eE]+).*'), "\\1", text))
}

print("R script started running.")
y <- (value_of("x0") - 0.5)^2 + value_of("x1")
writeLines(sprintf('{"y": [%.10f], "trial_status": ["COMPLETED"]}', y), file.path(trial_dir, "output.json"))
