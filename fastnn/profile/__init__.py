"""What is profiled: public kernels on shapes that small CNNs have, here and in PyTorch."""
