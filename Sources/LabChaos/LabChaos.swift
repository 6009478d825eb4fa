// LabChaos
