// LabSSH
