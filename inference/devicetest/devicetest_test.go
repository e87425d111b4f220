package devicetest

import (
	"testing"

	"sweetspot/inference"
)

func TestReferencePasses(t *testing.T) {
	Run(t, func(*testing.T) inference.Device { return Reference() }, Options{Tolerance: 1e-7, MayAllocate: true})
}
