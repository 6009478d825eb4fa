// LabHosts
