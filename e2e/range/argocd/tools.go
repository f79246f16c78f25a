//go:build tools

// Package tools names the command that e2e/range/build makes from this folder.
package tools

import _ "github.com/argoproj/argo-cd/v3/cmd"
