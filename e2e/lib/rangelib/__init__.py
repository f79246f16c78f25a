"""The range: real servers on one machine, started, watched and ended by a test run.

Modules, from the ground up:
  wait      conditions with a deadline (a test never sleeps to synchronise)
  proc      every process that a run starts; all are ended by pid, whatever happens
  pki       certificates and keys, made per run with openssl
  kube      REST client for one API server, over https with a client certificate
  crds      CustomResourceDefinitions of the OpenShift kinds that the product uses
  cluster   etcd, API servers with audit log, controller-managers and schedulers
  audit     what an API server's audit log says was written, and by whom
  kubelet   a small kubelet actor for tests of the range itself
  prom      Prometheus, Alertmanager and an exporter whose samples the test sets
  gitserver bare repositories over http and over ssh
  machines  true nodes: a process tree each with namespaces, a disk, an address and sshd
  images    container images of one layer, made from programs of this machine
  kubeadm   clusters that the real kubeadm makes on such nodes
  workload  what runs on such a cluster while it is upgraded
  outside   witnesses: a client of the workload, an observer of budgets and of the API server, one
            of versions
  endstate  what an upgrade left on the nodes' disks, comparable between clusters
  script    the plain script that does the same work, timed
  kubeadm_bench  measures on such a cluster
  product   the programs under test: Daemon, FakeKubeletsAndOperators, cli()
  harness   @test, fixtures and the TAP runner behind e2e/run

Only Python's standard library is used. Every listener is on 127.0.0.1, true nodes apart: theirs are
on a bridge of the run's own.
"""
