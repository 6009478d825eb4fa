// LabAgent
