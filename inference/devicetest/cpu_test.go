package devicetest_test

import (
	"testing"

	"sweetspot/inference"
	"sweetspot/inference/cpu"
	"sweetspot/inference/devicetest"
)

func TestCPUPasses(t *testing.T) {
	for _, kernels := range []string{"portable", "avx2", "avx512"} {
		t.Run(kernels, func(t *testing.T) {
			open := func(t *testing.T) inference.Device {
				t.Helper()
				d, err := cpu.Open(cpu.Options{Kernels: kernels, Threads: 2})
				if err != nil {
					t.Skipf("this processor cannot run it: %v", err)
				}
				return d
			}
			if d := open(t); d.Close() != nil {
				t.Error("got an error from closing a new device")
			}
			devicetest.Run(t, open, devicetest.Options{Tolerance: 2e-5})
		})
	}
}
